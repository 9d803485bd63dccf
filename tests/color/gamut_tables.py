"""Computation of the tables for gamut mapping in `colorzoo.color.lab`.

``python tests/color/gamut_tables.py`` writes the file ``tables/gamut.npz`` of the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.lab import (
    AB_RANGE,
    HUE_CELLS,
    LIGHTNESS_CELLS,
    S_STEP,
    TABLES,
    lab_to_linear_rgb,
    lightness_to_luminance,
    on_curve,
    within_cube,
)

_DARKEST = 1e-2  # smallest L in the table; black has no chroma
_RAISED = 2.2  # times the chroma: no color of this lightness has a negative channel
_RAISING_STEPS = 20


def max_chroma(lightness: Tensor, hue: Tensor) -> Tensor:
    """Return the largest Oklab chroma inside sRGB, divided by the Oklab lightness.

    Args:
        lightness: ``(N,)`` in [0, 100].
        hue: ``(N,)`` Oklab hue in radians.

    Returns:
        ``(N,)`` ratios, rounded down to multiples of `S_STEP`.
    """
    cosine, sine = hue.cos(), hue.sin()
    luminance = lightness_to_luminance(lightness)
    found, step = torch.zeros_like(lightness), 0.5
    while step >= S_STEP:
        found += step * within_cube(on_curve(cosine, sine, found + step, luminance), 0.0)
        step /= 2
    return found


def lowest_lightness(a: Tensor, b: Tensor) -> Tensor:
    """Return the lowest lightness ``(N,)`` at which colors have no negative channel.

    Args:
        a: ``(N,)`` in CIE units.
        b: ``(N,)`` in CIE units.
    """
    low, high = torch.zeros_like(a), _RAISED * torch.hypot(a, b)
    for _ in range(_RAISING_STEPS):
        middle = (low + high) / 2
        fits = lab_to_linear_rgb(torch.stack([middle, a, b]), dim=0).amin(dim=0) >= 0
        low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
    return high


def compute_tables() -> dict[str, NDArray[Any]]:
    """Return the stored arrays by name.

    ``max_chroma`` contains `max_chroma` at the corners of the lightness and hue cells, in units of `S_STEP`.
    ``lowest_lightness`` contains `lowest_lightness` for integer values of b (rows) and a (columns).
    """
    lightness = torch.linspace(0, 100, LIGHTNESS_CELLS + 1).clamp(min=_DARKEST)
    hue = torch.linspace(-math.pi, math.pi, HUE_CELLS + 1)
    corners = max_chroma(lightness.repeat_interleave(len(hue)), hue.repeat(len(lightness)))
    axis = torch.arange(-AB_RANGE, AB_RANGE + 1).float()
    lowest = lowest_lightness(axis.repeat(len(axis)), axis.repeat_interleave(len(axis)))
    return {
        "max_chroma": (corners / S_STEP).numpy().astype(np.uint16).reshape(len(lightness), len(hue)),
        "lowest_lightness": lowest.numpy().reshape(len(axis), len(axis)),
    }


if __name__ == "__main__":
    arrays: dict[str, Any] = compute_tables()
    np.savez_compressed(TABLES, **arrays)
