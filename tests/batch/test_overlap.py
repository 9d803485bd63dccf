"""Steps that overlap: order, bounds, and what happens when something breaks."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from colorzoo.batch.overlap import Steps, overlapped


class Watched:
    """Steps that record their threads and the items at work."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes, self.lock = sizes, threading.Lock()
        self.open_now = self.most = 0
        self.makers: set[int] = set()

    def steps(self) -> Steps[int, int, int, int]:
        return Steps(self.open, self.make, self.finish, lambda item: self.sizes[item])

    def open(self, item: int) -> int:
        with self.lock:
            self.open_now += self.sizes[item]
            self.most = max(self.most, self.open_now)
        time.sleep(0.002 * (item % 3))
        return item

    def make(self, item: int, opened: int) -> int:
        assert item == opened
        self.makers.add(threading.get_ident())
        return 10 * item

    def finish(self, item: int, made: int) -> int:
        time.sleep(0.002 * ((item + 1) % 3))
        with self.lock:
            self.open_now -= self.sizes[item]
        return made + 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_and_one_thread_does_the_second_step(threads: int) -> None:
    watched = Watched([1] * 30)
    found = list(overlapped(range(30), watched.steps(), threads=threads, room=1000))
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

    steps = Steps[int, int, int, int](
        lambda item: meet(item, 2), lambda item, _: meet(item, 1), lambda item, _: meet(item, 0), lambda _: 1
    )
    assert list(overlapped(range(4), steps, threads=2, room=99)) == [0, 1, 2, 3]


@pytest.mark.parametrize(("available", "threads", "left"), [(4, 3, 1), (2, 2, 1)])
def test_the_network_gets_the_threads_that_are_left(available: int, threads: int, left: int) -> None:
    steps = Steps[int, int, int, int](
        lambda item: item, lambda *_: torch.get_num_threads(), lambda _, made: made, lambda _: 1
    )
    before = torch.get_num_threads()
    torch.set_num_threads(available)
    try:
        assert list(overlapped(range(2), steps, threads=threads, room=99)) == [left, left]
        assert torch.get_num_threads() == available
    finally:
        torch.set_num_threads(before)


def test_room_limits_the_items_at_work_and_a_large_one_is_alone() -> None:
    sizes = [3, 3, 3, 50, 3, 3, 3, 3]
    watched = Watched(sizes)
    assert len(list(overlapped(range(8), watched.steps(), threads=4, room=8))) == 8
    assert watched.most == 50


def test_an_error_ends_the_work_and_its_threads() -> None:
    watched = Watched([1] * 20)
    steps = watched.steps()

    def make(item: int, opened: int) -> int:
        if item == 4:
            raise KeyboardInterrupt
        return watched.make(item, opened)

    threads, before = torch.get_num_threads(), threading.active_count()
    found = []
    with pytest.raises(KeyboardInterrupt):
        found += overlapped(range(20), Steps(steps.open, make, steps.finish, steps.size), threads=3, room=99)
    assert threading.active_count() == before
    assert torch.get_num_threads() == threads
