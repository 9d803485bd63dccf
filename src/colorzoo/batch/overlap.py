"""Overlapped processing of many items: read, compute and write at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Opened = TypeVar("Opened")
Colored = TypeVar("Colored")
Result = TypeVar("Result")


def overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Opened],
    color: Callable[[Opened], Colored],
    write: Callable[[Colored], Result],
    size_of: Callable[[Item], int],
    *,
    threads: int,
    max_size: int,
) -> Generator[Result, None, None]:
    """Process items in three overlapping steps, and yield the results in order.

    Args:
        items: Items to process; the iterator is read a few items ahead.
        read: First step, which runs in a thread pool.
        color: Second step, which runs in the caller's thread, one item at a time and in order.
        write: Third step, which runs in the thread pool.
        size_of: Function that returns the size of an item, such as the number of pixels.
        threads: Number of threads in the pool. At most this number of items is queued before the second step,
            and at most this number after the second step.
        max_size: Maximum total size of the items in progress; a larger item is processed alone.
    """
    torch_threads = torch.get_num_threads()
    # The network uses the cores that the pool does not use, because a parallel operation is as slow as its
    # slowest thread, and a thread that shares a core is slow. If the pool is large, its threads mostly wait
    # for the network, so the network uses half of the cores.
    torch.set_num_threads(max(torch_threads - threads, (torch_threads + 1) // 2))
    pool = ThreadPoolExecutor(threads, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    sized_items = ((item, size_of(item)) for item in items)
    next_item = next(sized_items, None)
    total_size = 0  # of the items in progress
    reading: deque[tuple[int, Future[Opened]]] = deque()
    writing: deque[tuple[int, Future[Result]]] = deque()

    def start_reading() -> None:
        """Start the first step of further items within the limits."""
        nonlocal next_item, total_size
        while next_item is not None and len(reading) < threads:
            item, size = next_item
            if total_size and total_size + size > max_size:
                return
            total_size += size
            reading.append((size, pool.submit(read, item)))
            next_item = next(sized_items, None)

    try:
        start_reading()
        while reading or writing:
            if reading:
                size, read_future = reading.popleft()
                opened = read_future.result()
                start_reading()
                writing.append((size, pool.submit(write, color(opened))))
                del read_future, opened  # free the memory of the opened item
            while writing:
                size, oldest = writing[0]
                must_wait = len(writing) > threads or not reading
                if not (must_wait or oldest.done()):
                    break
                writing.popleft()
                yield oldest.result()
                total_size -= size
                start_reading()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # completes files that are being written
        torch.set_num_threads(torch_threads)
