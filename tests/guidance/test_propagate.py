"""Incremental propagation equals the direct solution."""

from __future__ import annotations

import numpy as np
import pytest

from colorzoo.guidance import propagate as module
from colorzoo.guidance.propagate import Array, Propagator, propagate

SIZE = (20, 30)
FADE = 0.01


def hints(count: int, seed: int) -> tuple[Array, Array]:
    draw = np.random.default_rng(seed)
    given = np.zeros(SIZE, bool)
    given.flat[draw.choice(given.size, count, replace=False)] = True
    return draw.normal(0, 30, (2, *SIZE)), given


@pytest.mark.parametrize("most", [256, 12])  # a small limit evicts older columns
def test_propagator_equals_direct_solution_after_edits(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COLUMNS", most)
    lightness = np.random.default_rng(0).uniform(20, 80, SIZE)
    propagator = Propagator(lightness, FADE)
    for seed, count in enumerate((1, 8, 1, 10, 300, 0, 12, SIZE[0] * SIZE[1])):
        ab, given = hints(count, seed)
        found, direct = propagator(ab, given), propagate(lightness, ab, given, fade=FADE)
        assert abs(found - direct).max() < 1e-9
        assert np.allclose(found[:, given], ab[:, given])


def test_propagator_reuses_cached_columns_for_new_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    propagator = Propagator(np.full(SIZE, 50.0), FADE)
    ab, given = hints(5, 0)
    propagator(ab, given)
    monkeypatch.setattr("scipy.sparse.linalg.splu", None)
    assert np.allclose(propagator(2 * ab, given)[:, given], 2 * ab[:, given])
    with pytest.raises(TypeError):
        propagator(*hints(6, 1))


@pytest.mark.parametrize(
    "around",
    [
        pytest.param([42, 47, 49, 50, 51, 55, 58, 61], id="window variance"),
        pytest.param([49.9, 50, 50, 50, 50, 50.1, 50.2, 49.8], id="smallest variance"),
        pytest.param([50, 50, 50, 50, 50, 50, 50, 100], id="smallest weight"),
    ],
)
def test_propagate_sets_free_pixels_to_weighted_means_of_neighbors(around: list[float]) -> None:
    lightness = np.insert(np.array(around, float), 4, 50.0).reshape(3, 3)
    ab = 1e6 * np.random.default_rng(0).normal(size=(2, 3, 3))
    given = np.ones((3, 3), bool)
    given[1, 1] = False
    variance = max(0.3 * lightness.var(), 0.01)
    weights = np.exp(-((lightness - 50) ** 2) / (2 * variance))[given]
    weights = np.maximum(weights / weights.max(), 1e-6)
    wanted = ab[:, given] @ weights / weights.sum()
    np.testing.assert_allclose(propagate(lightness, ab, given)[:, 1, 1], wanted, rtol=1e-9)
