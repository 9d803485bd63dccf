"""What colorzoo claims about speed and choices, measured: ``python -m benchmarks [NAME ...]``."""
