"""Suggestions of different likely colorings of an image.

Each suggestion sets a different likely color at the most informative location of the image. The method is not
published.

If the color at location ``i`` is known, the color variance ``v_j`` at location ``j`` decreases by
``r_ij^2 v_j``, where ``r_ij`` is the correlation that the model predicts. The most informative location
maximizes the sum of the reductions over ``j``.

The likely colors are the clusters of a mean color distribution. The weight of location ``j`` in this mean is
a power of ``r_ij``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import PointHint
from colorzoo.inference import ColorizedImage, ColorizeTask, similarity_to
from colorzoo.inference.steps import PointPatches
from colorzoo.prediction import Distribution


@dataclass(frozen=True)
class ColoringsConstants:
    """Constants for suggesting likely colorings.

    Attributes:
        count: Number of suggested colorings.
        candidates: Number of candidate locations along the shorter side.
        exponent: Exponent of the correlations ``r_ij`` in the weights of the color distributions.
    """

    count: int = 4
    candidates: int = 8
    exponent: int = 4


COLORINGS = ColoringsConstants()


@dataclass(frozen=True)
class InformativePoint:
    """Location at which a known color would most reduce the color variance of an image.

    Attributes:
        x: Column, in pixels of the image part to colorize.
        y: Row, in pixels of the image part to colorize.
        probabilities: ``(Q,)`` probabilities of the color bins.
        centers: ``(Q, 2)`` centers of the color bins in CIE units.
    """

    x: float
    y: float
    probabilities: Tensor
    centers: Tensor


def find_informative_point(task: ColorizeTask, result: ColorizedImage) -> InformativePoint | None:
    """Find the most informative location of an image.

    Args:
        task: Image with its current hints.
        result: Result of the task.

    Returns:
        The location; None if the model predicts no correlations or no color distribution.
    """
    distribution = result.distribution
    if distribution is None or not task.network.model.supports("similarity"):
        return None
    candidates = _candidate_points(task.image_size)
    output_size = distribution.probabilities.shape[1:]
    correlation = torch.cat([_correlation(task, point, output_size) for point in candidates])
    best = most_informative(correlation, distribution)
    probabilities = mean_distribution(correlation[best], distribution)
    return InformativePoint(candidates[best].x, candidates[best].y, probabilities, distribution.centers)


def _correlation(task: ColorizeTask, point: PointHint, output_size: Sequence[int]) -> Tensor:
    """Return the color correlation ``(1, h, w)`` between a point and all positions of the network output."""
    similarity = similarity_to(task, PointPatches.of([point], task.image_size))
    assert similarity is not None  # the model supports it
    return F.interpolate(similarity, list(output_size), mode="area")[:, 0]


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
    weights = correlation**COLORINGS.exponent
    mean: Tensor = (distribution.probabilities * (weights / weights.sum())).sum(dim=(1, 2))
    return mean


def _candidate_points(size: tuple[int, int]) -> list[PointHint]:
    """Return candidate locations on a regular grid, as points of one pixel."""
    width, height = size
    step = min(size) / COLORINGS.candidates
    columns, rows = round(width / step), round(height / step)
    return [
        PointHint((column + 0.5) * width / columns, (row + 0.5) * height / rows, 0.0)
        for row in range(rows)
        for column in range(columns)
    ]
