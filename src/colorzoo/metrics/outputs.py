"""Numbers that reports show, and how they are made from moments.

A metric gives a picture a short vector of *moments* for each of its numbers. Moments of pictures are added,
and the ``finish`` of an `Output` makes the number from the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.float64]
Better = Literal["higher", "lower", "neither"]
Finish = Callable[[Moments], Moments]


@dataclass(frozen=True)
class Output:
    """Definition of a number in reports.

    Examples:
        >>> Output("ab_distance_mean", "Distance", "", "lower", mean_of_moments).digits
        3

    Attributes:
        key: Name with the details of its computation: space, truncation, network (reports add the resize).
        title: Column heading.
        unit: ``dB``, ``%`` or nothing.
        better: The better direction.
        finish: Function from ``(..., k)`` summed moments to ``(...)`` numbers.
        digits: Number of decimals in tables.
        per_picture: True if a single picture has this number.
        detail: True for a part of another number, which is left out of curves and comparisons.
    """

    key: str
    title: str
    unit: str
    better: Better
    finish: Finish
    digits: int = 3
    per_picture: bool = True
    detail: bool = False


def mean_of_moments(moments: Moments) -> Moments:
    """Return the mean from ``(sum, exact, count)``; infinite if all pictures are exact, NaN without any.

    Examples:
        >>> float(mean_of_moments(np.array([6.0, 0.0, 3.0])))
        2.0
    """
    total, exact, count = moments[..., 0], moments[..., 1], moments[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        result = total / count
    return np.where(count > 0, result, np.where(exact > 0, np.inf, np.nan))


def absolute_mean(moments: Moments) -> Moments:
    """Return the absolute value of `mean_of_moments`."""
    return np.abs(mean_of_moments(moments))


def root_mean(moments: Moments) -> Moments:
    """Return the square root of `mean_of_moments`."""
    return np.sqrt(mean_of_moments(moments))


def no_finish(moments: Moments) -> Moments:
    """Return NaN for a number that no sum of moments gives (FID); see `colorzoo.evaluation.summary`."""
    return np.full(moments.shape[:-1], np.nan)


def value_moments(value: float) -> list[float]:
    """Return the moments ``(sum, exact, count)`` of a value; infinite counts as exact, NaN is left out."""
    if np.isnan(value):
        return [0.0, 0.0, 0.0]
    return [0.0, 1.0, 0.0] if np.isinf(value) else [float(value), 0.0, 1.0]


def sums(totals: list[float], counts: list[float]) -> list[list[float]]:
    """Return the moments of several means from their sums and counts."""
    return [[float(total), 0.0, float(count)] for total, count in zip(totals, counts, strict=True)]
