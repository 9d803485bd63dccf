"""Map a function over a long iterable with threads, a few items ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, working a few items ahead.

    ``ThreadPoolExecutor.map`` submits all items first, which takes gigabytes for ImageNet.

    Args:
        function: Function that releases the interpreter lock, as decoding does.
        items: Items, consumed one by one.
        threads: Number of threads.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 8 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
