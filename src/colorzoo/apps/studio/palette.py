"""Fields of messages to drawing pads: suggested colors, location of the next point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colorzoo.apps.studio.colorings import COLORINGS, InformativePoint
from colorzoo.apps.studio.opened_image import OpenedImage
from colorzoo.guidance import Recipe, format_hex
from colorzoo.inference import ColorizedImage, Suggestion, next_point, suggest_colors


def describe_likely_colors(
    result: ColorizedImage, opened: OpenedImage, place: tuple[float, float], count: int
) -> dict[str, Any]:
    """Return the fields of the message ``suggestions`` about a location.

    The fields are ``items`` (suggested colors), ``lightness`` (in [0, 100]) and ``entropy`` (of the color
    distribution, in bits). There are no items if the model predicts no color distribution.

    Args:
        result: Result of the model without a hint at ``place``.
        opened: The photo, or the part that was colorized.
        place: Location ``(x, y)`` in pixels of ``opened``.
        count: Maximum number of colors.
    """
    distribution = result.distribution
    if distribution is None:
        return {"lightness": None, "items": [], "entropy": None}
    height, width = result.ab.shape[1:]
    x, y = place[0] * width / opened.size[0], place[1] * height / opened.size[1]
    probabilities = distribution.at(min(x, width - 1), min(y, height - 1))
    lightness = opened.lightness_around(place)
    colors = suggest_colors(probabilities, distribution.centers, lightness, count=count)
    return {"lightness": lightness, "items": _items(colors), "entropy": _entropy(probabilities)}


def describe_colorings(point: InformativePoint | None, opened: OpenedImage) -> dict[str, Any]:
    """Return the fields of the message ``colorings``.

    The fields are the location ``x`` and ``y`` at which a known color would reduce the color variance most,
    in photo pixels, its ``lightness`` in [0, 100], and its likely colors (``items``).

    Args:
        point: The location and its color distribution; None if there is none.
        opened: The photo, or the part that was colorized.
    """
    if point is None:
        return {"x": None, "y": None, "lightness": None, "items": []}
    lightness = opened.lightness_around((point.x, point.y))
    colors = suggest_colors(point.probabilities, point.centers, lightness, count=COLORINGS.count)
    x, y = opened.photo_location((point.x, point.y))
    return {"x": x, "y": y, "lightness": lightness, "items": _items(colors)}


def _items(colors: Sequence[Suggestion]) -> list[dict[str, Any]]:
    """Convert suggested colors to the field ``items`` of messages."""
    return [
        {
            "ab": [float(v) for v in color.ab],
            "color": format_hex(color.rgb),
            "share": float(color.share),
        }
        for color in colors
    ]


def describe_next_point(result: ColorizedImage, opened: OpenedImage, recipe: Recipe) -> dict[str, Any]:
    """Return the fields of the message ``next``.

    The fields are the location ``x`` and ``y`` with the most uncertain color, in photo pixels, and the
    ``entropy`` of its color distribution in bits. They are None if the model predicts no distribution.

    Args:
        result: Result of the model.
        opened: The photo, or the part that was colorized.
        recipe: Recipe whose points are excluded from the search, with coordinates in pixels of ``opened``.
    """
    distribution = result.distribution
    if distribution is None:
        return {"x": None, "y": None, "entropy": None}
    height, width = result.ab.shape[1:]
    x_scale, y_scale = opened.size[0] / width, opened.size[1] / height
    points = [(point.x / x_scale, point.y / y_scale) for point in recipe.points]
    column, row = next_point(distribution, points)
    inner_x = min(float(column) * x_scale, opened.size[0] - 0.5)
    inner_y = min(float(row) * y_scale, opened.size[1] - 0.5)
    x, y = opened.photo_location((inner_x, inner_y))
    return {"x": x, "y": y, "entropy": _entropy(distribution.at(column, row))}


def _entropy(probabilities: Tensor) -> float:
    """Return the entropy of a distribution in bits."""
    return float(torch.special.entr(probabilities).sum()) / math.log(2)
