"""Terminal output: progress bars and lines."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

__all__ = ["print_line", "progress_bar"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # control characters in file names, such as line breaks


class Advance(Protocol):
    """Function that advances a progress bar."""

    def __call__(self, count: int = 1) -> None:
        """Advance the progress bar by ``count`` items."""


@contextmanager
def progress_bar(title: str, total: int | None, *, log_every: float | None = None) -> Iterator[Advance]:
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
    if total == 1 or not sys.stderr.isatty():
        last, done = time.monotonic(), 0

        def advance(count: int = 1) -> None:
            nonlocal done, last
            done += count
            if log_every is not None and time.monotonic() - last >= log_every:
                last = time.monotonic()
                line = f"{title}: {done}" if total is None else f"{title}: {done} of {total}"
                print(line, file=sys.stderr, flush=True)

        yield advance
        return
    from rich import console, progress

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # True would write piped standard output to standard error
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count=1: bar.advance(task, count)


def print_line(text: str, stream: TextIO) -> None:
    r"""Print a line and flush the stream.

    Control characters and characters that the stream cannot encode are escaped.

    Examples:
        >>> import sys
        >>> print_line("first\nline", sys.stdout)
        first\nline
    """
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
