"""Suggested colors, the location of the next point, and different likely colorings of a photo.

Each suggested coloring sets a different likely color at the most informative location of the photo. The
method is not published.

If the color at location ``i`` is known, the color variance ``v_j`` at location ``j`` decreases by
``r_ij^2 v_j``, where ``r_ij`` is the correlation that the model predicts. The most informative location
maximizes the sum of the reductions over ``j``.

The likely colors are the clusters of a mean color distribution. The weight of location ``j`` in this mean is
a power of ``r_ij``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import SimilarityModel
from colorzoo.apps.studio.coloring import PadRequest, predict
from colorzoo.guidance import PointHint
from colorzoo.guidance.fields import format_hex
from colorzoo.inference import (
    Edit,
    Suggestion,
    next_point,
    similarity_to,
    suggest_colors,
)
from colorzoo.inference.steps import PointPatches
from colorzoo.prediction import Distribution

COLORINGS = 4
"""Number of suggested colorings."""
CANDIDATES = 8
"""Number of candidate locations along the shorter side."""
_LONGEST = 4  # maximum ratio of the candidate locations along the longer side to `CANDIDATES`
_EXPONENT = 4  # exponent of the correlations in the weights of the color distributions


def describe_likely_colors(request: PadRequest, place: tuple[float, float], count: int) -> dict[str, Any]:
    """Return the fields of the ``suggestions`` message about a location.

    The fields are ``items`` (suggested colors) and ``lightness`` (in [0, 100]). There are no items if the
    model predicts no color distribution.

    Args:
        request: Photo, model, and a recipe without a hint at ``place``.
        place: Location ``(x, y)`` in pixels of the colorized part of the photo.
        count: Maximum number of colors.
    """
    result = predict(request)
    distribution = result.distribution
    if distribution is None:
        return {"lightness": None, "items": []}
    height, width = result.ab.shape[1:]
    image_width, image_height = request.opened.size
    x, y = place[0] * width / image_width, place[1] * height / image_height
    probabilities = distribution.at(min(x, width - 1), min(y, height - 1))
    lightness = request.opened.lightness_around(place)
    colors = suggest_colors(probabilities, distribution.centers, lightness, count=count)
    return {"lightness": lightness, "items": _items(colors)}


def describe_next_point(request: PadRequest) -> dict[str, Any]:
    """Return the fields of the ``next`` message.

    The fields are the location ``x`` and ``y`` with the most uncertain color, in photo pixels. They are None
    if the model predicts no color distribution.
    """
    result, opened = predict(request), request.opened
    distribution = result.distribution
    if distribution is None:
        return {"x": None, "y": None}
    height, width = result.ab.shape[1:]
    x_scale, y_scale = opened.size[0] / width, opened.size[1] / height
    points = [(point.x / x_scale, point.y / y_scale) for point in request.recipe.points]
    column, row = next_point(distribution, points)
    inner_x = min(float(column) * x_scale, opened.size[0] - 0.5)
    inner_y = min(float(row) * y_scale, opened.size[1] - 0.5)
    x, y = opened.photo_location((inner_x, inner_y))
    return {"x": x, "y": y}


def describe_colorings(request: PadRequest) -> dict[str, Any]:
    """Return the fields of the ``colorings`` message.

    The fields are the most informative location ``x`` and ``y`` in photo pixels, its ``lightness`` in
    [0, 100], and its likely colors (``items``). There is no location if the model predicts no correlations or
    no color distribution.
    """
    edit, distribution = request.edit(), predict(request).distribution
    if distribution is None or not isinstance(request.colorizer.model, SimilarityModel):
        return {"x": None, "y": None, "lightness": None, "items": []}
    place, probabilities = find_informative_point(edit, distribution)
    lightness = request.opened.lightness_around(place)
    colors = suggest_colors(probabilities, distribution.centers, lightness, count=COLORINGS)
    x, y = request.opened.photo_location(place)
    return {"x": x, "y": y, "lightness": lightness, "items": _items(colors)}


def _items(colors: Sequence[Suggestion]) -> list[dict[str, Any]]:
    """Convert suggested colors to the field ``items`` of messages."""
    return [
        {"ab": [float(v) for v in color.ab], "color": format_hex(color.rgb), "share": float(color.share)}
        for color in colors
    ]


def find_informative_point(edit: Edit, distribution: Distribution) -> tuple[tuple[float, float], Tensor]:
    """Find the most informative location of an image.

    Args:
        edit: Image with its current hints, and a model that predicts correlations.
        distribution: Predicted color distribution.

    Returns:
        The location ``(x, y)`` in pixels of the image, and the mean color distribution ``(Q,)`` of its likely
        colors; see `mean_distribution`.
    """
    # candidate locations on a regular grid, as points of one pixel
    width, height = size = edit.image_size
    step = max(min(size), max(size) / _LONGEST) / CANDIDATES
    columns, rows = max(1, round(width / step)), max(1, round(height / step))
    candidates = [
        PointHint((column + 0.5) * width / columns, (row + 0.5) * height / rows, 0.0)
        for row in range(rows)
        for column in range(columns)
    ]
    output_size = distribution.probabilities.shape[1:]
    # color correlation (n, h, w) between the candidates and all positions of the network output
    maps = []
    for point in candidates:
        similarity = similarity_to(edit, PointPatches.of([point], edit.image_size))
        assert similarity is not None  # the model supports it
        maps.append(F.interpolate(similarity, list(output_size), mode="area")[:, 0])
    correlation = torch.cat(maps)
    best = most_informative(correlation, distribution)
    place = candidates[best].x, candidates[best].y
    return place, mean_distribution(correlation[best], distribution)


def most_informative(correlation: Tensor, distribution: Distribution) -> int:
    """Return the index of the most informative candidate location.

    A known color at this location most reduces the color variance of the image.

    Args:
        correlation: Color correlation ``(n, h, w)`` between ``n`` candidate locations and all positions of
            the network output.
        distribution: Color distribution at these positions.
    """
    colors, probabilities = distribution.centers, distribution.probabilities
    mean_square = torch.einsum("qhw,q->hw", probabilities, colors.square().sum(dim=1))
    variance = mean_square - torch.einsum("qhw,qc->chw", probabilities, colors).square().sum(dim=0)
    return int((correlation.square() * variance).sum(dim=(1, 2)).argmax())


def mean_distribution(correlation: Tensor, distribution: Distribution) -> Tensor:
    """Return the mean color distribution ``(Q,)``, weighted by a power of the correlation.

    Args:
        correlation: Color correlation ``(h, w)`` between one location and all positions of the network
            output.
        distribution: Color distribution at these positions.
    """
    weights = correlation**_EXPONENT
    mean: Tensor = (distribution.probabilities * (weights / weights.sum())).sum(dim=(1, 2))
    return mean
