"""The tables of the page *Results*: ``python -m benchmarks.results --data DATA`` measures and writes them."""
