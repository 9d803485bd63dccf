"""Terminal output: progress bars, lines, tables, warnings and errors; handling of Ctrl+C."""

from __future__ import annotations

import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from textwrap import shorten
from types import FrameType
from typing import Protocol, TextIO

__all__ = [
    "align",
    "first_words",
    "is_terminal",
    "print_line",
    "print_table",
    "printed_warnings",
    "progress_bar",
    "record_interrupts",
    "resumable",
    "unexpected_message",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # control characters in file names, such as line breaks


class _Advance(Protocol):
    """Function that advances a progress bar."""

    def __call__(self, count: int = 1) -> None:
        """Advance the progress bar by ``count`` items."""


@contextmanager
def progress_bar(title: str, total: int | None, *, log_every: float | None = None) -> Iterator[_Advance]:
    """Show a progress bar with the remaining time during a ``with`` block.

    No bar is shown if there is only one item, or if standard error is not a terminal.

    Args:
        title: Description of the work, shown beside the bar and in log lines.
        total: Number of items; None if the number is unknown.
        log_every: Minimum number of seconds between the log lines that replace a missing bar. None prints no
            log lines.

    Yields:
        Function that advances the bar by a number of items, by default 1.
    """
    if total == 1 or not is_terminal(sys.stderr):
        last_log_time, done = time.monotonic(), 0

        def advance(count: int = 1) -> None:
            """Count items, and print a log line if the last one is old enough."""
            nonlocal done, last_log_time
            done += count
            if log_every is not None and time.monotonic() - last_log_time >= log_every:
                last_log_time = time.monotonic()
                line = f"{title}: {done}" if total is None else f"{title}: {done} of {total}"
                print_line(line, sys.stderr)

        yield advance
        return
    from rich import console, progress

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        redirect_stdout=is_terminal(sys.stdout),  # True would write piped standard output to standard error
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count=1: bar.advance(task, count)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; None is the missing stream of a windowed program."""
    return stream is not None and stream.isatty()


def print_line(text: str, stream: TextIO | None) -> None:
    r"""Print a line and flush the stream; nothing is printed if the stream is None.

    Control characters and characters that the stream cannot encode are escaped.

    Examples:
        >>> import sys
        >>> print_line("first\nline", sys.stdout)
        first\nline
    """
    if stream is None:
        return
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


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


@contextmanager
def resumable(is_resumable: bool) -> Iterator[None]:
    """Make the message after Ctrl+C state that the same command resumes the run.

    Args:
        is_resumable: Whether the results of the interrupted run are kept if the command is repeated.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not is_resumable:
            raise
        raise KeyboardInterrupt("Repeat the command to resume.") from None


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


def first_words(error: Exception, most: int = 120) -> str:
    """Return the first line of an error message, shortened to ``most`` characters."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return shorten(line, most, placeholder=" ...")


def unexpected_message(error: Exception) -> str:
    """Return a one-line message about an error that is not a `ColorzooError`.

    Errors of the file system, such as a file name that is too long, are not errors of this package.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return (
        f"unexpected {type(error).__name__}: {error}. Report this error with the output of "
        "`colorzoo doctor`. To print a traceback, set COLORZOO_DEBUG=1 and run the command again."
    )
