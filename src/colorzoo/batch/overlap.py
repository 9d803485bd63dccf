"""Overlap the steps of many items: threads do the first and the last, the caller's thread the second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

Open = Callable[[Item], Callable[[], Callable[[], Result]]]
"""Opens an item and returns its next step, which returns its last step, which returns the result."""


def overlapped(
    items: Iterable[Item],
    open_item: Open[Item, Result],
    size_of: Callable[[Item], int],
    *,
    threads: int,
    room: int,
) -> Generator[Result, None, None]:
    """Yield the results in the order of the items, whatever the number of threads.

    Args:
        items: Items to work on, consumed a few ahead.
        open_item: First step, in any thread. The second step runs in the caller's thread, one item at a time
            and in order. The third step runs in any thread.
        size_of: Returns the size of an item, such as its number of pixels.
        threads: Threads for the first and the last step, and largest number of items that are queued before
            and after the second step.
        room: Limit on the sizes of all items at work; a larger item is worked on alone.
    """
    torch_threads = torch.get_num_threads()
    # each thread of the pool computes alone; the network is divided among the threads that the pool leaves,
    # since the parts of an operation wait for each other, and one that finds no free core holds up all
    torch.set_num_threads(max(1, torch_threads - threads))
    pool = ThreadPoolExecutor(threads, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from _results(items, open_item, size_of, pool, threads, room)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # files that are being written are completed
        torch.set_num_threads(torch_threads)


def _results(
    items: Iterable[Item],
    open_item: Open[Item, Result],
    size_of: Callable[[Item], int],
    pool: ThreadPoolExecutor,
    threads: int,
    room: int,
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
            if used and used + size > room:
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
