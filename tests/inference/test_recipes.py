"""The same pixels as ever: recipes of every kind against stored results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorzoo.lru_cache import LRUCache
from inference.recipes import CASES, STORED

CACHE = LRUCache()
MOST, SHARE = 1, 0.001  # levels, and the share of the pixels that may differ by so much


@pytest.fixture(scope="module")
def stored() -> dict[str, NDArray[Any]]:
    with np.load(STORED) as file:
        return dict(file)


def assert_same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    levels = 1 if found.dtype == np.uint8 else 257
    away = np.abs(found.astype(np.int64) - expected.astype(np.int64)).max(axis=-1)
    assert away.max() <= MOST * levels
    assert (away > levels // 2).mean() <= SHARE


def test_every_case_is_stored(stored: dict[str, NDArray[Any]]) -> None:
    assert list(CASES) == list(stored)


@pytest.mark.parametrize("name", CASES)
def test_colors_are_those_of_before(name: str, stored: dict[str, NDArray[Any]]) -> None:
    assert_same(CASES[name].result(), stored[name])


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("alike", "painter"))][::-1])
def test_the_order_of_the_edits_changes_nothing(name: str, stored: dict[str, NDArray[Any]]) -> None:
    """One cache is used for all cases and twice for each case."""
    CASES[name].result(cache=CACHE)
    assert_same(CASES[name].result(cache=CACHE), stored[name])
