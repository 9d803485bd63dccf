"""Numbers of an evaluation: their names, units and how they come from sums over pictures.

Each result of a picture becomes a short vector of *moments*. Moments of pictures are added, and ``finish``
makes the number of the sum; so a bootstrap over pictures is a product of matrices, also for pooled numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from colorzoo.metrics import ab_error
from colorzoo.metrics.psnr import decibels

Moments = NDArray[np.float64]
Better = Literal["higher", "lower", "neither"]
Finish = Callable[[Moments], Moments]


@dataclass(frozen=True)
class Output:
    """One number.

    Attributes:
        key: Name that holds the protocol: space, truncation, network ... (the resize is added in reports).
        title: Head of its column.
        unit: ``dB``, ``%`` or nothing.
        better: Which way is better.
        finish: Makes ``(...)`` numbers of ``(..., k)`` summed moments.
        digits: Decimals shown.
        per_picture: Whether a single picture has this number.
        detail: Whether it is part of another number, and so left out of curves and comparisons.
    """

    key: str
    title: str
    unit: str
    better: Better
    finish: Finish
    digits: int = 3
    per_picture: bool = True
    detail: bool = False


def mean(moments: Moments) -> Moments:
    """Finish ``(sum, exact, count)``: the mean; infinite if all pictures are exact, NaN if there is none."""
    total, exact, count = moments[..., 0], moments[..., 1], moments[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        result = total / count
    return np.where(count > 0, result, np.where(exact > 0, np.inf, np.nan))


def absolute_mean(moments: Moments) -> Moments:
    """Finish like `mean`, without the sign."""
    return np.abs(mean(moments))


def root_mean(moments: Moments) -> Moments:
    """Finish like `mean`, then take the root."""
    return np.sqrt(mean(moments))


def decibels_of_mean(peak: float) -> Finish:
    """Return the finish that makes a pooled PSNR of mean squared errors."""
    return lambda moments: decibels(torch.from_numpy(mean(moments)), peak).numpy()


def area_under_curve(moments: Moments) -> Moments:
    """Finish a histogram over tolerances 0 to 150 and beyond, then (exact, count); see `colorzoo.metrics`."""
    return ab_error.area_under_curve(torch.from_numpy(moments[..., :-2])).numpy()


def no_finish(moments: Moments) -> Moments:
    """Finish what no sum of moments gives (FID): NaN, the number is made elsewhere."""
    return np.full(moments.shape[:-1], np.nan)


def value_moments(value: float) -> list[float]:
    """Return the moments ``(sum, exact, count)`` of one value; infinite is exact, NaN is left out."""
    if np.isnan(value):
        return [0.0, 0.0, 0.0]
    return [0.0, 1.0, 0.0] if np.isinf(value) else [float(value), 0.0, 1.0]
