"""`overlapped`: order, concurrency, limits, and errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from colorzoo.batch.overlap import overlapped


class RecordedSteps:
    """Steps that record their threads and the total size of items in progress."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes, self.lock = sizes, threading.Lock()
        self.open_now = self.most = 0
        self.makers: set[int] = set()

    def read(self, item: int) -> int:
        with self.lock:
            self.open_now += self.sizes[item]
            self.most = max(self.most, self.open_now)
        time.sleep(0.002 * (item % 3))
        return item

    def color(self, item: int) -> int:
        self.makers.add(threading.get_ident())
        return item

    def write(self, item: int) -> int:
        time.sleep(0.002 * ((item + 1) % 3))
        with self.lock:
            self.open_now -= self.sizes[item]
        return 10 * item

    def run(self, count: int, threads: int, max_size: int) -> Iterator[int]:
        return overlapped(
            range(count),
            self.read,
            self.color,
            self.write,
            self.sizes.__getitem__,
            threads=threads,
            max_size=max_size,
        )


def test_overlapped_keeps_order_and_runs_the_second_step_in_one_thread() -> None:
    for threads in [1, 2, 5]:
        steps = RecordedSteps([1] * 30)
        found = list(steps.run(30, threads, 1000))
        assert found == [10 * item for item in range(30)]
        assert steps.makers == {threading.get_ident()}
        assert steps.most <= 2 * threads + 2


def test_overlapped_runs_reading_network_and_writing_concurrently() -> None:
    """With two threads, one item is read and one is written while the network processes a third."""
    together = threading.Barrier(3, timeout=60)  # raises an error if one step waits for another

    def wait_for(number: int) -> Callable[[int], int]:
        def step(item: int) -> int:
            if item == number:
                together.wait()
            return item

        return step

    read, color, write = map(wait_for, (2, 1, 0))
    found = overlapped(range(4), read, color, write, lambda _: 1, threads=2, max_size=99)
    assert list(found) == [0, 1, 2, 3]


def test_overlapped_gives_the_remaining_threads_but_at_least_half_to_the_network() -> None:
    for available, threads, left in [(8, 3, 5), (8, 4, 4), (8, 8, 4), (2, 2, 1), (1, 4, 1)]:
        before = torch.get_num_threads()
        torch.set_num_threads(available)
        try:
            counts = overlapped(
                range(2),
                lambda item: item,
                lambda _: torch.get_num_threads(),
                lambda count: count,
                lambda _: 1,
                threads=threads,
                max_size=99,
            )
            assert list(counts) == [left, left]
            assert torch.get_num_threads() == available
        finally:
            torch.set_num_threads(before)


def test_overlapped_limits_the_size_of_items_in_progress() -> None:
    sizes = [3, 3, 3, 50, 3, 3, 3, 3]
    steps = RecordedSteps(sizes)
    assert len(list(steps.run(8, 4, 8))) == 8
    assert steps.most == 50


def test_overlapped_ends_its_threads_after_an_error() -> None:
    steps = RecordedSteps([1] * 20)
    color = steps.color

    def interrupted(item: int) -> int:
        if item == 4:
            raise KeyboardInterrupt
        return color(item)

    steps.color = interrupted  # type: ignore[method-assign]
    threads, before = torch.get_num_threads(), threading.active_count()
    found: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        found += steps.run(20, 3, 99)
    assert threading.active_count() == before
    assert torch.get_num_threads() == threads
