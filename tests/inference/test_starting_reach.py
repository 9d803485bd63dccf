"""The reach that a new point begins with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import PointHint
from colorzoo.guidance.recipe import Reach
from colorzoo.inference.steps.reach import starting_reach
from inference.by_hand import Likeness, find_extent, search

SIZE = (128, 160)


def disk(radius: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    return ((rows - 64).square() + (columns - 80).square()).sqrt() <= radius


def start(lightness: Tensor, point: PointHint, likeness: Likeness) -> Reach:
    costs, alike = search(lightness, point, (SIZE[1], SIZE[0]), likeness)
    assert alike is not None
    return starting_reach(costs, alike)


def at_disk(radius: float) -> tuple[object, float]:
    """Return the reach in a disk that stands out, and the share of the picture that it covers."""
    inside = disk(radius)

    def likeness(mask: Tensor) -> Tensor:
        asked = bool((F.interpolate(mask, SIZE)[0, 0].bool() & inside).any())
        return (inside if asked else ~inside).float()[None, None] * 0.7 + 0.2

    lightness = torch.where(inside, 75.0, 40.0)[None, None]
    compare: Likeness = likeness
    point = PointHint(80.5, 64.5, 1.5)
    reach = start(lightness, point, compare)
    extent = find_extent(lightness, [replace(point, reach=reach)], (SIZE[1], SIZE[0]), compare)
    return reach, float(extent.weight.mean())


def test_a_point_in_a_small_thing_begins_small() -> None:
    for radius in (3, 8):
        reach, covered = at_disk(radius)
        assert isinstance(reach, float)
        assert covered == pytest.approx(0.001, rel=0.2)
    assert at_disk(50)[0] == "automatic"


def test_a_point_on_a_surface_without_a_border_does_not_begin_small() -> None:
    def unlike(mask: Tensor) -> Tensor:
        return 0.2 + 0.7 * F.max_pool2d(mask, 5, stride=1, padding=2)

    point = PointHint(80.5, 64.5, 1.5)
    assert start(torch.full((1, 1, *SIZE), 50.0), point, unlike) == "automatic"
