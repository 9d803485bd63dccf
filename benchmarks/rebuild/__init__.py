"""Commands that rebuild the weight files in the package; see ``python -m benchmarks.rebuild --help``."""
