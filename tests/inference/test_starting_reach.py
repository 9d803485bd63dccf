"""The reach that a new point begins with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import PointHint
from colorzoo.inference.points import Likeness, starting_reach

SIZE = (128, 160)


def disk(radius: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    return ((rows - 64).square() + (columns - 80).square()).sqrt() <= radius


def at_disk(radius: float) -> object:
    """Return the reach in a disk that stands out and is alike throughout."""
    inside = disk(radius)

    def likeness(mask: Tensor) -> Tensor:
        asked = bool((F.interpolate(mask, SIZE)[0, 0].bool() & inside).any())
        return (inside if asked else ~inside).float()[None, None] * 0.7 + 0.2

    lightness = torch.where(inside, 75.0, 40.0)[None, None]
    compare: Likeness = likeness
    return starting_reach(lightness, PointHint(80.5, 64.5, 1.5), (SIZE[1], SIZE[0]), compare)


def test_a_point_in_a_small_thing_begins_small() -> None:
    assert at_disk(3) == 0.5
    assert at_disk(50) == "automatic"
