"""Does each paper's claim hold here: one module a paper. ``python -m benchmarks.claims [PAPER ...]``."""
