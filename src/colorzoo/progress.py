"""Progress of long runs on standard error, as a bar or as log lines, and handling of Ctrl+C."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Advance(Protocol):
    """Function that advances a progress bar."""

    def __call__(self, count: int = 1) -> None:
        """Advance by a number of items."""


@contextmanager
def progress_bar(
    title: str, total: int | None, *, done: int = 0, log_every: float | None = None
) -> Iterator[Advance]:
    """Show a progress bar with rate and remaining time while the block runs.

    No bar is shown for a single item, or if standard error is not a terminal.

    Args:
        title: Description of the work.
        total: Number of items; None if unknown.
        done: Number of items that an earlier run finished.
        log_every: Seconds between log lines if standard error is not a terminal; None prints no lines.

    Yields:
        Function to call after each item, or with a number of items.
    """
    if total != 1 and sys.stderr.isatty():
        with _terminal_bar(title, total, done) as advance:
            yield advance
    else:
        yield _log_lines(title, total, done, math.inf if log_every is None else log_every)


@contextmanager
def _terminal_bar(title: str, total: int | None, done: int) -> Iterator[Advance]:
    from rich import console, progress, text

    class RateColumn(progress.ProgressColumn):
        def render(self, task: progress.Task) -> text.Text:
            speed = task.finished_speed or task.speed
            return text.Text(_rate(speed) if speed else "")

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        RateColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # otherwise redirected output would be written to standard error
    ) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda count=1: bar.advance(task, count)


def _log_lines(title: str, total: int | None, before: int, every: float) -> Advance:
    start = last = time.monotonic()
    done = before

    def advance(count: int = 1) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last < every:
            return
        last = now
        rate = (done - before) / (now - start)
        line = f"{title}: {done}"
        if total is not None and total >= done:
            left = round((total - done) / rate)
            line += f" of {total}, {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
        print(f"{line}, {_rate(rate)}", file=sys.stderr, flush=True)

    return advance


def _rate(speed: float) -> str:
    return f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min"


def record_interrupts() -> list[int]:
    """Return a list to which every Ctrl+C appends, in addition to raising `KeyboardInterrupt`.

    Python ignores exceptions raised in a destructor or a callback, so long runs also check this list.
    """
    interrupts: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handle)
    return interrupts
