"""Tables and warnings in a terminal, and handling of Ctrl+C."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from colorzoo.console import print_line


def escape_unencodable() -> None:
    """Let standard output and standard error escape characters that their encoding does not contain.

    Such characters occur in file names and tables; by default, printing them raises UnicodeEncodeError.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def record_interrupts() -> list[int]:
    """Install a handler for Ctrl+C and return the list in which it records each Ctrl+C.

    The handler appends the signal number to the list and raises `KeyboardInterrupt`. Long runs also check the
    list, because Python ignores exceptions that are raised in destructors and callbacks.
    """
    interrupts: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    with suppress(ValueError):  # only the main thread can handle signals
        signal.signal(signal.SIGINT, handle)
    return interrupts


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as aligned columns.

    Args:
        headers: Column titles.
        rows: Texts of the cells in each row, one for each column.
    """
    for line in align([headers, *rows]):
        print_line(line, sys.stdout)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line of text per table row, with aligned columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Record warnings in a ``with`` block; print them to standard error when the block ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print_line(f"colorzoo: {' '.join(str(warning.message).split())}", sys.stderr)
