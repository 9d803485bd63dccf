"""Strength of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colorzoo.inference.steps.points import POINTS, blend
from colorzoo.inference.steps.reach import Extent


def weaken_points(
    strong: Tensor, without: Tensor, lightness: Tensor, extent: Extent, *, strengths: tuple[float, ...]
) -> Tensor:
    """Apply the strength of points with a strength below 1.

    Args:
        strong: ``(1, 2, h, w)`` in CIE units, with all points at full strength.
        without: Colors without the weak points.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        extent: Reach of the weak points.
        strengths: Strength of each weak point.
    """
    return without + point_strength(lightness, strengths, extent) * (strong - without)


def point_strength(lightness: Tensor, strengths: Sequence[float], extent: Extent) -> Tensor:
    """Return the strength ``(h, w)`` of the nearest point.

    Between two points on a uniform surface the strengths are interpolated.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        strengths: Strength of each point.
        extent: Reach of the points.
    """
    each = torch.tensor(strengths)
    if (each == each[0]).all():
        return each[0].expand(lightness.shape[2:])
    nearest = each[extent.nearest].numpy()
    nothing = np.full((2, *nearest.shape), np.nan, np.float32)
    widths = np.full(nearest.shape, POINTS.blend * min(nearest.shape), np.float32)
    return torch.from_numpy(blend(np.stack([nearest] * 2), nothing, lightness[0, 0].numpy(), widths)[0])
