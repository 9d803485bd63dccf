"""Results of all recipe kinds compared with stored results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.by_hand import Results
from inference.recipes import CASES, STORED

MOST, SHARE = 1, 0.001  # maximum difference in levels, and maximum fraction of differing pixels


@pytest.fixture(scope="module")
def stored() -> dict[str, NDArray[Any]]:
    with np.load(STORED) as file:
        return dict(file)


def assert_same(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
    levels = 1 if found.dtype == np.uint8 else 257
    away = np.abs(found.astype(np.int64) - expected.astype(np.int64)).max(axis=-1)
    assert away.max() <= MOST * levels, name
    assert (away > levels // 2).mean() <= SHARE, name


KINDS = sorted({CASES[name].model for name in CASES})


def test_every_case_is_stored(stored: dict[str, NDArray[Any]]) -> None:
    assert list(CASES) == list(stored)


@pytest.mark.parametrize("model", KINDS)
def test_results_equal_stored_results(model: str, stored: dict[str, NDArray[Any]]) -> None:
    for name in CASES:
        if CASES[name].model == model:
            assert_same(name, CASES[name].result(), stored[name])


@pytest.mark.parametrize("model", KINDS)
def test_edits_with_a_cache_equal_fresh_results(model: str, stored: dict[str, NDArray[Any]]) -> None:
    results: Results = {}
    for name in reversed(CASES):
        if CASES[name].model == model:
            CASES[name].result(results=results)
            assert_same(name, CASES[name].result(results=results), stored[name])
