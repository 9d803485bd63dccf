"""The memory of results: its bound, and keys that tell inputs apart."""

from __future__ import annotations

import pytest
import torch

from colorzoo.guidance import Exemplar, Guidance, Points, Scribbles
from colorzoo.lru_cache import ColumnCache, LRUCache, key_of


def test_a_result_is_computed_once() -> None:
    memory, runs = LRUCache(), list[int]()
    assert memory.get("a", lambda: runs.append(1) or 7) == memory.get("a", lambda: runs.append(2) or 8) == 7
    assert runs == [1]
    assert memory.nbytes == 4096  # at least that much for each
    memory.clear()
    assert ("a" in memory, memory.nbytes) == (False, 0)
    assert (memory.get("a", lambda: 9), memory.nbytes) == (9, 4096)


def test_the_least_recently_used_is_forgotten_and_the_newest_kept() -> None:
    memory = LRUCache(most_bytes=3 * 4000 * 4)
    for name in "abc":
        memory.get(name, lambda: torch.zeros(4000))
    memory.get("a", lambda: pytest.fail("it is remembered"))
    memory.get("d", lambda: torch.zeros(4000))
    assert [name in memory for name in "abcd"] == [True, False, True, True]
    memory.get("large", lambda: torch.zeros(10**5))
    assert [name in memory for name in ("a", "c", "d", "large")] == [False, False, False, True]


def test_keys_tell_tensors_shapes_fields_and_values_apart() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    other = mask.clone()
    other[..., 1] = 1
    rgb = torch.zeros(1, 3, 4, 4)
    values = [
        mask,
        mask.double(),
        mask.view(1, 1, 2, 8),
        other,
        Guidance(scribbles=Scribbles(mask)),
        Guidance(scribbles=Scribbles(other)),
        Guidance(points=Points(mask.expand(-1, 2, -1, -1), mask)),
        Guidance(exemplar=Exemplar(rgb)),
        Guidance(exemplar=Exemplar(rgb, alpha=0.5)),
        ("a", "b"),
        ("ab",),
        (("a",), "b"),
        None,
    ]
    assert len({key_of(value) for value in values}) == len(values)
    assert key_of(other) == key_of(other.clone())


def test_columns_are_computed_once_and_those_not_asked_for_make_room() -> None:
    computed: list[list[int]] = []

    def compute(numbers: list[int]) -> list[str]:
        computed.append(numbers)
        return [f"column {number}" for number in numbers]

    cache = ColumnCache(compute, most=3)
    assert cache.of([7, 2, 7]) == ["column 7", "column 2", "column 7"]
    assert cache.of([2, 5]) == ["column 2", "column 5"]
    assert cache.of([5, 8]) == ["column 5", "column 8"]  # 7 and 2 make room
    assert cache.of([5, 8]) == ["column 5", "column 8"]
    cache.of([2])
    assert computed == [[7, 2], [5], [8], [2]]
