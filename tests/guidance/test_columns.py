"""The cache of columns computes each once and stays small."""

from __future__ import annotations

from colorzoo.guidance.columns import ColumnCache


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
