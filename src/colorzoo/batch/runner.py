"""Colorize many files with overlapped steps, and convert errors to failed results."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from colorzoo.batch.file import FileColorizer, Write
from colorzoo.batch.task import FileResult, FileTask
from colorzoo.errors import DiskFullError, failure
from colorzoo.image_io.formats import open_image

T = TypeVar("T")

NOT_TRIED = "not tried: the disk is full"
_MAX_PIXELS = 200_000_000  # maximum number of pixels of all images in memory; a pixel takes about 10 bytes
Item = TypeVar("Item")
Result = TypeVar("Result")
Open = Callable[[Item], Callable[[], Callable[[], Result]]]
"""First step of an item; returns the second step, which returns the third step."""


@dataclass
class BatchSummary:
    """Summary of a run.

    Attributes:
        counts: Number of images for each status.
        failures: Name and reason of each image that failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, result: FileResult) -> None:
        """Count a result."""
        self.counts[result.status] += 1
        if result.failed:
            self.failures.append((result.source, result.error))

    @property
    def exit_code(self) -> int:
        """0 if no image failed, 1 if some images failed, 2 if all images failed."""
        if not self.failures:
            return 0
        return 2 if len(self.failures) == self.counts.total() else 1


def run_tasks(
    tasks: Iterable[FileTask],
    *,
    threads: int = 1,
    skip_colored: bool = False,
    skip_done: bool = False,
) -> Generator[FileResult, None, None]:
    """Colorize files and yield their results in order; failed files do not stop the run.

    If the disk is full, the remaining files fail without being read.

    Args:
        tasks: Files to colorize; an iterator may create the tasks on demand.
        threads: Number of threads that read and write files while the network runs; 1 processes one file at
            a time.
        skip_colored: Whether to skip images that are already in color.
        skip_done: Whether to skip files for which a result of the same source and settings exists.
    """
    run = _Run(FileColorizer(skip_colored=skip_colored, skip_done=skip_done))
    is_single = isinstance(tasks, list) and len(tasks) == 1  # the network then uses all cores
    if threads > 1 and not is_single:
        yield from overlapped(tasks, run.open, _pixels, threads=threads, max_size=_MAX_PIXELS)
        return
    for task in tasks:
        yield run.open(task)()()


class _Run:
    """Steps of `FileColorizer` that return a failed result instead of raising an error."""

    def __init__(self, files: FileColorizer) -> None:
        self._files = files
        self._disk_full = threading.Event()

    def open(self, task: FileTask) -> Callable[[], Write]:
        """Read a file and return the second step, which colorizes the file.

        The second step returns the third step, which writes the result.
        """
        opened = self._guarded(task, partial(self._files.open, task))

        def colorize() -> Write:
            write = opened if isinstance(opened, FileResult) else self._guarded(task, opened)
            return lambda: write if isinstance(write, FileResult) else self._guarded(task, write)

        return colorize

    def _guarded(self, task: FileTask, step: Callable[[], T]) -> T | FileResult:
        """Run a step; return a failed result if it raises an error or the disk is full."""
        if self._disk_full.is_set():
            return task.result("failed", NOT_TRIED)
        try:
            return step()
        except DiskFullError as error:  # all remaining files would fail too
            self._disk_full.set()
            return task.result("failed", f"{error}; free some space and repeat the command to resume")
        except Exception as error:  # one damaged image must not stop the run
            return task.result("failed", failure(error, task.name, str(task.target)))


def _pixels(task: FileTask) -> int:
    """Return the number of pixels in the header of a file; 0 if unknown."""
    if isinstance(task.source, Path):
        # a damaged header can raise any error, which is reported when the file is read
        with suppress(Exception), open_image(task.source) as image:
            return image.width * image.height
    return 0


def overlapped(
    items: Iterable[Item],
    open_item: Open[Item, Result],
    size_of: Callable[[Item], int],
    *,
    threads: int,
    max_size: int,
) -> Generator[Result, None, None]:
    """Process items in three overlapping steps, and yield the results in order.

    Args:
        items: Items to process; a few are read ahead.
        open_item: Runs the first step of an item and returns the second step, which returns the third step.
            The first and third steps run in a thread pool. The second step runs in the caller's thread, one
            item at a time and in order.
        size_of: Returns the size of an item, such as the number of pixels of an image.
        threads: Number of threads, and maximum number of items queued before and after the second step.
        max_size: Maximum total size of the items in progress; a larger item is processed alone.
    """
    torch_threads = torch.get_num_threads()
    # The network uses only the cores that the pool does not use. A parallel operation is as slow as its
    # slowest thread, and a thread that shares a core is slow.
    torch.set_num_threads(max(1, torch_threads - threads))
    pool = ThreadPoolExecutor(threads, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from _results(items, open_item, size_of, pool, threads, max_size)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # completes files that are being written
        torch.set_num_threads(torch_threads)


def _results(
    items: Iterable[Item],
    open_item: Open[Item, Result],
    size_of: Callable[[Item], int],
    pool: ThreadPoolExecutor,
    threads: int,
    max_size: int,
) -> Generator[Result, None, None]:
    waiting = ((item, size_of(item)) for item in items)
    head = next(waiting, None)
    opening: deque[tuple[int, Future[Callable[[], Callable[[], Result]]]]] = deque()
    finishing: deque[tuple[int, Future[Result]]] = deque()
    used = 0

    def open_more() -> None:
        nonlocal head, used
        while head is not None and len(opening) < threads:
            item, size = head
            if used and used + size > max_size:
                return
            used += size
            opening.append((size, pool.submit(open_item, item)))
            head = next(waiting, None)

    open_more()
    while opening or finishing:
        if opening:
            size, opened = opening.popleft()
            make = opened.result()
            open_more()
            finishing.append((size, pool.submit(make())))
        while finishing and (finishing[0][1].done() or len(finishing) > threads or not opening):
            size, finished = finishing.popleft()
            yield finished.result()
            used -= size
            open_more()
