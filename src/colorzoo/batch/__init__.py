"""Colorize many files: tasks, output files, provenance, reports and signatures."""
