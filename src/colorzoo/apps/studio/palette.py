"""Fields of messages to drawing pads: suggested colors, location of the next point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colorzoo.apps.studio.colorings import COLORINGS, InformativePoint
from colorzoo.apps.studio.opened_image import OpenedImage
from colorzoo.guidance import Recipe
from colorzoo.inference import Suggestion, next_point, suggest_colors
from colorzoo.prediction import Distribution


def suggestions(
    distribution: Distribution,
    opened: OpenedImage,
    place: tuple[float, float],
    shape: tuple[int, int],
    count: int,
) -> dict[str, Any]:
    """Return the fields of the message ``suggestions`` about a location.

    The fields are ``items`` (suggested colors), ``lightness`` (in [0, 100]) and ``entropy`` (of the color
    distribution, in bits).

    Args:
        distribution: Color distribution predicted without a hint at ``place``.
        opened: Open photo of the drawing pad.
        place: Location ``(x, y)`` in photo pixels.
        shape: Height and width of the network input.
        count: Maximum number of colors.
    """
    lightness = opened.lightness_around(place)
    x, y = place[0] * shape[1] / opened.size[0], place[1] * shape[0] / opened.size[1]
    shares = distribution.at(min(x, shape[1] - 1), min(y, shape[0] - 1))
    items = _items(suggest_colors(shares, distribution.centers, lightness, count=count))
    return {"lightness": lightness, "items": items, "entropy": _entropy(shares)}


def likely_colorings(found: InformativePoint, opened: OpenedImage) -> dict[str, Any]:
    """Return the fields of the message ``colorings``.

    The fields are the location at which a known color would reduce the color variance most, in photo pixels,
    and its likely colors.

    Args:
        found: The location and its color distribution.
        opened: Open photo of the drawing pad.
    """
    lightness = opened.lightness_around((found.x, found.y))
    items = _items(suggest_colors(found.probabilities, found.centers, lightness, count=COLORINGS.count))
    return {"x": found.x, "y": found.y, "lightness": lightness, "items": items}


def _items(colors: Sequence[Suggestion]) -> list[dict[str, Any]]:
    """Convert suggested colors to the field ``items`` of messages."""
    return [
        {
            "ab": [float(v) for v in color.ab],
            "color": "#{:02x}{:02x}{:02x}".format(*color.rgb),
            "share": float(color.share),
        }
        for color in colors
    ]


def suggest_next_point(
    distribution: Distribution, opened: OpenedImage, recipe: Recipe, shape: tuple[int, int]
) -> dict[str, Any]:
    """Return the fields of the message ``next``.

    The fields are the location with the most uncertain color, in photo pixels, and the entropy of its color
    distribution in bits.

    Args:
        distribution: Predicted color distribution.
        opened: Open photo of the drawing pad.
        recipe: Recipe whose points are excluded from the search.
        shape: Height and width of the network input.
    """
    x_scale, y_scale = opened.size[0] / shape[1], opened.size[1] / shape[0]
    taken = [(p.x / x_scale, p.y / y_scale) for p in recipe.points]
    x, y = next_point(distribution, taken)
    return {
        "x": min(float(x) * x_scale, opened.size[0] - 0.5),
        "y": min(float(y) * y_scale, opened.size[1] - 0.5),
        "entropy": _entropy(distribution.at(x, y)),
    }


def _entropy(shares: Tensor) -> float:
    """Return the entropy of a distribution in bits."""
    return float(torch.special.entr(shares).sum()) / math.log(2)
