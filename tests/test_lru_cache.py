"""LRU caches: size limit, eviction, and keys that distinguish inputs."""

from __future__ import annotations

import pytest
import torch

from colorzoo.guidance import Exemplar, Guidance, Points, Scribbles
from colorzoo.lru_cache import ColumnCache, LRUCache, key_of


def test_lru_cache_computes_each_result_once() -> None:
    cache, runs = LRUCache(), list[int]()
    assert cache.get("a", lambda: runs.append(1) or 7) == cache.get("a", lambda: runs.append(2) or 8) == 7
    assert runs == [1]
    assert cache.nbytes == 4096  # minimum size of an entry
    cache.clear()
    assert ("a" in cache, cache.nbytes) == (False, 0)
    assert (cache.get("a", lambda: 9), cache.nbytes) == (9, 4096)


def test_lru_cache_evicts_least_recently_used_and_keeps_newest() -> None:
    cache = LRUCache(most_bytes=3 * 4000 * 4)
    for name in "abc":
        cache.get(name, lambda: torch.zeros(4000))
    cache.get("a", lambda: pytest.fail("the result is cached"))
    cache.get("d", lambda: torch.zeros(4000))
    assert [name in cache for name in "abcd"] == [True, False, True, True]
    cache.get("large", lambda: torch.zeros(10**5))
    assert [name in cache for name in ("a", "c", "d", "large")] == [False, False, False, True]


def test_key_of_distinguishes_tensors_shapes_fields_and_values() -> None:
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
        mask.bfloat16(),
        torch.tensor(0.0),
        torch.tensor(0.0, dtype=torch.bfloat16),
        torch.tensor([]),
        torch.tensor([1j]),
        torch.tensor([1j]).conj(),
        torch.tensor([True]),
        *({"a": 1}, {"a": 1, "b": 2}, {"a": {"b": 2}}, {}, (), ((),), 1, "1", True, b"1"),
    ]
    assert len({key_of(value) for value in values}) == len(values)
    assert key_of(other) == key_of(other.clone())


def test_key_of_distinguishes_numbers_of_arguments_and_nesting() -> None:
    arguments = [
        *(({"a": 1}, {"b": 2}), ({"a": 1, "b": 2},), ({"a": 1}, "b", 2), ({}, 3), (3,), ({}, {}, 3)),
        *(((1, 2),), (1, 2), ((1,), 2), ((), 1, 2), (), (None,), ("a,", "b"), ("a", ",b"), ("'a','b'",)),
    ]
    assert len({key_of(*each) for each in arguments}) == len(arguments)


def test_column_cache_computes_columns_once_and_evicts_unused_columns() -> None:
    computed: list[list[int]] = []

    def compute(numbers: list[int]) -> list[str]:
        computed.append(numbers)
        return [f"column {number}" for number in numbers]

    cache = ColumnCache(compute, most=3)
    assert cache.of([7, 2, 7]) == ["column 7", "column 2", "column 7"]
    assert cache.of([2, 5]) == ["column 2", "column 5"]
    assert cache.of([5, 8]) == ["column 5", "column 8"]  # evicts 7 and 2
    assert cache.of([5, 8]) == ["column 5", "column 8"]
    cache.of([2])
    assert computed == [[7, 2], [5], [8], [2]]
