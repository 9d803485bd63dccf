"""Pipeline of three steps per item; a thread pool runs the first and third steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

Open = Callable[[Item], Callable[[], Callable[[], Result]]]
"""First step, a function that returns the second step. The second step returns the third step."""


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
        open_item: First step. The first and third steps run in a thread pool. The second step runs in the
            caller's thread, one item at a time and in order.
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
