"""How far an evaluation is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from colorzoo.data.progress_bar import progress_bar

EVERY = 30.0  # seconds between lines in a log


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show progress with the time left on the error stream.

    Args:
        title: What is being done.
        total: How many steps there are.

    Yields:
        A function to call after each step.
    """
    if sys.stderr.isatty():
        with progress_bar(title, total) as advance:
            yield lambda: advance(1)
    else:
        yield _logger(title, total)


def _logger(title: str, total: int) -> Callable[[], None]:
    start = last = time.monotonic()
    done = 0

    def step() -> None:
        nonlocal done, last
        done += 1
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            left = (now - start) / done * (total - done)
            print(f"{title}: {done} of {total}, {minutes(left)} left", file=sys.stderr, flush=True)

    return step


def minutes(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
