"""Overlap the steps of many items: threads do the first and the last, the caller's thread the second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

Item = TypeVar("Item")
Opened = TypeVar("Opened")
Made = TypeVar("Made")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Steps(Generic[Item, Opened, Made, Result]):
    """The steps that each item goes through.

    Attributes:
        open: First step, in any thread.
        make: Second step, in the caller's thread, one item at a time and in order.
        finish: Third step, in any thread.
        size: Size of an item, such as its number of pixels.
    """

    open: Callable[[Item], Opened]
    make: Callable[[Item, Opened], Made]
    finish: Callable[[Item, Made], Result]
    size: Callable[[Item], int]


def overlapped(
    items: Iterable[Item], steps: Steps[Item, Opened, Made, Result], *, threads: int, room: int
) -> Generator[Result, None, None]:
    """Yield the results, in the order of the items whatever the number of threads.

    Args:
        items: Items to work on, consumed a few ahead.
        steps: The steps.
        threads: Threads for the first and the last step; at most so many items wait before and after the
            second one.
        room: Limit on the sizes of all items at work; a larger item is worked on alone.
    """
    torch_threads = torch.get_num_threads()
    # each thread of the pool computes alone; the network is divided among the threads that the pool leaves,
    # since the parts of an operation wait for each other, and one that finds no free core holds up all
    torch.set_num_threads(max(1, torch_threads - threads))
    pool = ThreadPoolExecutor(threads, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from _results(items, steps, pool, threads, room)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # files that are being written are completed
        torch.set_num_threads(torch_threads)


def _results(
    items: Iterable[Item],
    steps: Steps[Item, Opened, Made, Result],
    pool: ThreadPoolExecutor,
    threads: int,
    room: int,
) -> Generator[Result, None, None]:
    waiting = ((item, steps.size(item)) for item in items)
    head = next(waiting, None)
    opening: deque[tuple[Item, int, Future[Opened]]] = deque()
    finishing: deque[tuple[int, Future[Result]]] = deque()
    used = 0

    def open_more() -> None:
        nonlocal head, used
        while head is not None and len(opening) < threads:
            item, size = head
            if used and used + size > room:
                return
            used += size
            opening.append((item, size, pool.submit(steps.open, item)))
            head = next(waiting, None)

    open_more()
    while opening or finishing:
        if opening:
            item, size, opened = opening.popleft()
            result = opened.result()
            open_more()
            made = steps.make(item, result)
            finishing.append((size, pool.submit(steps.finish, item, made)))
        while finishing and (finishing[0][1].done() or len(finishing) > threads or not opening):
            size, finished = finishing.popleft()
            yield finished.result()
            used -= size
            open_more()
