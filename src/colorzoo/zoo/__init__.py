"""Implementations of papers, one folder per paper; the registry scans the folders."""
