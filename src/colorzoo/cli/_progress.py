"""One progress bar on a terminal: how many pictures, at what rate, and for how long still."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Advance(Protocol):
    """Moves a bar on by one."""

    def __call__(self) -> None:
        """Move it."""


class RateColumn(ProgressColumn):
    """How many are done in a second, or in a minute where that is less than one."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min")


@contextmanager
def progress_bar(total: int | None, word: str) -> Iterator[Advance]:
    """Show a bar on standard error while pictures are worked on, if there are several and it is a terminal.

    Args:
        total: How many pictures; None if nobody knows yet.
        word: What is done with them.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=total == 1 or not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else the lines for a file or pipe would land on standard error
    ) as progress:
        task = progress.add_task(word, total=total)
        yield lambda: progress.advance(task)
