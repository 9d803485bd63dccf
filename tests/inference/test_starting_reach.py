"""Initial reach of a new point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import PointHint
from colorzoo.guidance.fields import Reach
from colorzoo.inference.steps.reach import even_reaches, fade, starting_reach
from inference.by_hand import Likeness, find_extent, search

SIZE = (128, 160)


def disk(radius: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    return ((rows - 64).square() + (columns - 80).square()).sqrt() <= radius


def start(lightness: Tensor, point: PointHint, similarity: Likeness) -> Reach:
    costs, alike = search(lightness, point, (SIZE[1], SIZE[0]), similarity)
    assert alike is not None
    return starting_reach(costs, alike)


def at_disk(radius: float) -> tuple[object, float]:
    """Return the initial reach in a distinct disk, and the fraction of the image that it covers."""
    inside = disk(radius)

    def similarity(mask: Tensor) -> Tensor:
        asked = bool((F.interpolate(mask, SIZE)[0, 0].bool() & inside).any())
        return (inside if asked else ~inside).float()[None, None] * 0.7 + 0.2

    lightness = torch.where(inside, 75.0, 40.0)[None, None]
    compare: Likeness = similarity
    point = PointHint(80.5, 64.5, 1.5)
    reach = start(lightness, point, compare)
    extent = find_extent(lightness, [replace(point, reach=reach)], (SIZE[1], SIZE[0]), compare)
    return reach, float(extent.weight.mean())


def test_starting_reach_is_small_in_small_objects_only() -> None:
    for radius in (3, 8):
        reach, covered = at_disk(radius)
        assert isinstance(reach, float)
        assert covered == pytest.approx(0.001, rel=0.2)
    assert at_disk(50)[0] == "automatic"


def test_starting_reach_is_automatic_on_a_surface_without_edges() -> None:
    def unlike(mask: Tensor) -> Tensor:
        return 0.2 + 0.7 * F.max_pool2d(mask, 5, stride=1, padding=2)

    point = PointHint(80.5, 64.5, 1.5)
    assert start(torch.full((1, 1, *SIZE), 50.0), point, unlike) == "automatic"


GRID = (128, 128)
ROWS, COLUMNS = np.indices(GRID)
AWAY = np.hypot(ROWS - 64, COLUMNS - 64)
BORDER = np.float32(100)  # the square of 10, far beyond a border


EVERYWHERE = np.ones(GRID, np.float32)


def test_starting_reach_covers_a_thousandth_of_the_image_in_small_objects() -> None:
    costs, alike = (0.5 * AWAY**2).astype(np.float32), EVERYWHERE
    costs[AWAY > 12] = BORDER
    reach = starting_reach(costs, alike)
    assert reach == 0.198
    assert fade(costs, alike, reach).mean() == pytest.approx(0.001, rel=0.05)


def test_starting_reach_is_automatic_in_a_large_enclosed_object() -> None:
    costs = (0.001 * AWAY**2).astype(np.float32)
    costs[AWAY > 22] = BORDER
    assert starting_reach(costs, EVERYWHERE) == "automatic"


def test_even_reaches_span_005_to_10_in_equal_log_coverage_steps() -> None:
    costs, alike = (0.05 * AWAY**2).astype(np.float32), EVERYWHERE
    reaches = even_reaches(costs, alike, 23)
    assert (reaches[0], reaches[-1]) == (0.05, 10)
    covered = np.log([fade(costs, alike, reach).mean() for reach in reaches])
    assert np.ptp(np.diff(covered)) < 0.15 * np.diff(covered).mean()
