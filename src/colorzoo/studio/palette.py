"""From a model's logits to suggested colors and to the place where a hint would help most."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from colorzoo.guidance import Recipe
from colorzoo.inference.palette import Distribution, next_point, suggest_colors
from colorzoo.studio.photo import Photo


def suggest(
    distribution: Distribution, photo: Photo, place: tuple[float, float], shape: tuple[int, int], count: int
) -> dict[str, Any]:
    """Return ``items``, ``luma`` and ``entropy`` of the message ``suggestions``.

    Args:
        distribution: Of the hints around.
        photo: For the lightness at the place.
        place: x and y in pixels of the photo.
        shape: Height and width of the prediction.
        count: How many colors.
    """
    luma = luma_at(photo, place)
    x, y = place[0] * shape[1] / photo.size[0], place[1] * shape[0] / photo.size[1]
    shares = distribution.at(min(x, shape[1] - 1), min(y, shape[0] - 1))
    found = suggest_colors(shares, distribution.centers, luma, count=count)
    items = [
        {
            "ab": [float(v) for v in s.ab],
            "color": "#{:02x}{:02x}{:02x}".format(*s.rgb),
            "share": float(s.share),
        }
        for s in found
    ]
    return {"luma": luma, "items": items, "entropy": _bits(shares)}


def where_next(
    distribution: Distribution, photo: Photo, recipe: Recipe, shape: tuple[int, int]
) -> dict[str, Any]:
    """Return the place of the message ``next``, in pixels of the photo."""
    x_scale, y_scale = photo.size[0] / shape[1], photo.size[1] / shape[0]
    taken = [(p.x / x_scale, p.y / y_scale) for p in recipe.points]
    x, y = next_point(distribution, taken)
    return {
        "x": min(float(x) * x_scale, photo.size[0] - 0.5),
        "y": min(float(y) * y_scale, photo.size[1] - 0.5),
        "entropy": _bits(distribution.at(x, y)),
    }


def luma_at(photo: Photo, place: tuple[float, float]) -> float:
    """Return the lightness at a place of the photo, as its view shows it."""
    rows, columns = photo.luma.shape[2:]
    row = min(max(int(place[1] * rows / photo.size[1]), 0), rows - 1)
    column = min(max(int(place[0] * columns / photo.size[0]), 0), columns - 1)
    return float(photo.luma[0, 0, row, column])


def _bits(shares: Tensor) -> float:
    return float(torch.special.entr(shares).sum()) / math.log(2)
