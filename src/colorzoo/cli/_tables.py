"""Tables for people on a terminal and for programs that read a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: framed and fitted to a terminal, plain aligned columns into a pipe or file.

    Args:
        headers: Titles of the columns.
        rows: Cells, each row as long as ``headers``.
    """
    if sys.stdout.isatty():
        _print_rich(headers, rows)
    else:
        print("\n".join(aligned([headers, *rows])))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, columns two spaces apart, without trailing spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: a bracket in a cell is no markup
    Console().print(table)
