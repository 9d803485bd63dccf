"""Work on several things at once: threads before and behind, the caller's own in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
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
    """What is done with each item, one step after the other.

    Attributes:
        open: The first step, in any thread.
        make: The second, in the caller's thread, one item at a time and in order.
        finish: The third, in any thread.
        size: What an item takes of the room.
    """

    open: Callable[[Item], Opened]
    make: Callable[[Item, Opened], Made]
    finish: Callable[[Item, Made], Result]
    size: Callable[[Item], int]


def overlapped(
    items: Sequence[Item], steps: Steps[Item, Opened, Made, Result], *, jobs: int, room: int
) -> Generator[Result, None, None]:
    """Yield the results, in the order of the items whatever the number of threads.

    Args:
        items: What to work on.
        steps: What is done with each.
        jobs: Threads for the first and the last step; at most so many items wait before and behind the
            second one. 1 works on one item after the other, in the caller's thread.
        room: The sizes of all items at work are no more than that; a larger one is worked on alone.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield steps.finish(item, steps.make(item, steps.open(item)))
        return
    threads = torch.get_num_threads()
    # each thread works for itself: the network alone is divided
    pool = ThreadPoolExecutor(jobs, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from _Line(items, steps, pool, jobs, room).results()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # what is being written is written to its end
        torch.set_num_threads(threads)


class _Line(Generic[Item, Opened, Made, Result]):
    """The items that are at work."""

    def __init__(
        self,
        items: Sequence[Item],
        steps: Steps[Item, Opened, Made, Result],
        pool: ThreadPoolExecutor,
        jobs: int,
        room: int,
    ) -> None:
        self._steps, self._pool, self._jobs, self._room = steps, pool, jobs, room
        self._waiting = deque((item, steps.size(item)) for item in items)
        self._opening: deque[tuple[Item, int, Future[Opened]]] = deque()
        self._finishing: deque[tuple[int, Future[Result]]] = deque()
        self._used = 0

    def results(self) -> Generator[Result, None, None]:
        """Yield what is finished, in order."""
        self._open_some()
        while self._opening or self._finishing:
            if self._opening:
                item, size, opening = self._opening.popleft()
                opened = opening.result()
                self._open_some()
                made = self._steps.make(item, opened)
                self._finishing.append((size, self._pool.submit(self._steps.finish, item, made)))
            while self._finishing and self._is_due(self._finishing[0][1]):
                size, finishing = self._finishing.popleft()
                yield finishing.result()
                self._used -= size
                self._open_some()

    def _is_due(self, oldest: Future[Result]) -> bool:
        """Say whether the oldest result is there, or has to be waited for."""
        return oldest.done() or len(self._finishing) > self._jobs or not self._opening

    def _open_some(self) -> None:
        while self._waiting and len(self._opening) < self._jobs:
            item, size = self._waiting[0]
            if self._used and self._used + size > self._room:
                return
            self._waiting.popleft()
            self._used += size
            self._opening.append((item, size, self._pool.submit(self._steps.open, item)))
