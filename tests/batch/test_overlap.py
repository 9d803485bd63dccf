"""Steps that overlap: order, bounds, and what happens when something breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch

from colorzoo.batch.runner import overlapped


class Watched:
    """Steps that record their threads and the items at work."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes, self.lock = sizes, threading.Lock()
        self.open_now = self.most = 0
        self.makers: set[int] = set()

    def open(self, item: int) -> Callable[[], Callable[[], int]]:
        with self.lock:
            self.open_now += self.sizes[item]
            self.most = max(self.most, self.open_now)
        time.sleep(0.002 * (item % 3))
        return partial(self.make, item)

    def make(self, item: int) -> Callable[[], int]:
        self.makers.add(threading.get_ident())
        return partial(self.finish, item, 10 * item)

    def finish(self, item: int, made: int) -> int:
        time.sleep(0.002 * ((item + 1) % 3))
        with self.lock:
            self.open_now -= self.sizes[item]
        return made + 1

    def run(self, count: int, threads: int, max_size: int) -> Iterator[int]:
        return overlapped(range(count), self.open, self.sizes.__getitem__, threads=threads, max_size=max_size)


def test_results_come_in_order_and_one_thread_does_the_second_step() -> None:
    for threads in [1, 2, 5]:
        watched = Watched([1] * 30)
        found = list(watched.run(30, threads, 1000))
        assert found == [10 * item + 1 for item in range(30)]
        assert watched.makers == {threading.get_ident()}
        assert watched.most <= 2 * threads + 2


def test_reading_the_network_and_writing_overlap() -> None:
    """With two threads an item is written and another read while the network is at work on a third."""
    together = threading.Barrier(3, timeout=60)  # broken, and so an error, if one of them waits for another

    def meet(item: int, number: int) -> int:
        if item == number:
            together.wait()
        return item

    def open_item(item: int) -> Callable[[], Callable[[], int]]:
        meet(item, 2)

        def make() -> Callable[[], int]:
            meet(item, 1)
            return partial(meet, item, 0)

        return make

    assert list(overlapped(range(4), open_item, lambda _: 1, threads=2, max_size=99)) == [0, 1, 2, 3]


def test_the_network_gets_the_threads_that_are_left() -> None:
    for available, threads, left in [(4, 3, 1), (2, 2, 1)]:

        def open_item(_: int) -> Callable[[], Callable[[], int]]:
            return lambda: partial(int, torch.get_num_threads())

        before = torch.get_num_threads()
        torch.set_num_threads(available)
        try:
            assert list(overlapped(range(2), open_item, lambda _: 1, threads=threads, max_size=99)) == [
                left,
                left,
            ]
            assert torch.get_num_threads() == available
        finally:
            torch.set_num_threads(before)


def test_room_limits_the_items_at_work_and_a_large_one_is_alone() -> None:
    sizes = [3, 3, 3, 50, 3, 3, 3, 3]
    watched = Watched(sizes)
    assert len(list(watched.run(8, 4, 8))) == 8
    assert watched.most == 50


def test_an_error_ends_the_work_and_its_threads() -> None:
    watched = Watched([1] * 20)
    make = watched.make

    def interrupted(item: int) -> Callable[[], int]:
        if item == 4:
            raise KeyboardInterrupt
        return make(item)

    watched.make = interrupted  # type: ignore[method-assign]
    threads, before = torch.get_num_threads(), threading.active_count()
    found = []
    with pytest.raises(KeyboardInterrupt):
        found += watched.run(20, 3, 99)
    assert threading.active_count() == before
    assert torch.get_num_threads() == threads
