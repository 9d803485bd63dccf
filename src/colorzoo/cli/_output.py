"""Command-line output: tables, lines and warnings."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # control characters in file names, such as line breaks


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as aligned columns.

    Args:
        headers: Column titles.
        rows: Cells of each row, as many as ``headers``.
    """
    print("\n".join(align([headers, *rows])))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, with columns two spaces apart and without trailing spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Record the warnings of a ``with`` block and print them on standard error when it ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print_line(f"colorzoo: {' '.join(str(warning.message).split())}", sys.stderr)


def print_line(text: str, stream: TextIO) -> None:
    """Print a line and flush the stream.

    Control characters and characters that the stream cannot encode are escaped.
    """
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
