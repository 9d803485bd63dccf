"""How fast pictures come from disk, and what it costs to know where they are."""

from __future__ import annotations

from benchmarks._data_folder import decoding_rows, index_rows
from benchmarks._harness import Options, Row


def run(options: Options) -> list[Row]:
    """Measure decoding and the index."""
    del options
    return [*index_rows(), *decoding_rows()]
