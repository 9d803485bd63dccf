"""Trainings and measurements whose tables stand on pages: ``python -m benchmarks.studies.NAME``."""
