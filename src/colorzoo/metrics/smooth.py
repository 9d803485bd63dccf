"""Gaussian blur with the borders of scipy, as tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(planes: Tensor, sigma: float, *, mirrored: bool = True) -> Tensor:
    """Blur planes like ``scipy.ndimage.gaussian_filter``, whose kernel ends at four deviations.

    Args:
        planes: ``(P, H, W)``.
        sigma: Deviation in pixels.
        mirrored: Continue planes by their mirror image, the border pixel twice; otherwise by 0.
    """
    radius = int(4 * sigma + 0.5)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64, device=planes.device)
    kernel = torch.softmax(-0.5 * (places / sigma) ** 2, dim=0).to(planes.dtype)
    down = _extended(planes, 1, radius) if mirrored else F.pad(planes, (0, 0, radius, radius))
    planes = F.conv2d(down[:, None], kernel.view(1, 1, -1, 1))[:, 0]
    right = _extended(planes, 2, radius) if mirrored else F.pad(planes, (radius, radius))
    return F.conv2d(right[:, None], kernel.view(1, 1, 1, -1))[:, 0]


def _extended(planes: Tensor, axis: int, radius: int) -> Tensor:
    side = planes.shape[axis]
    places = torch.arange(-radius, side + radius, device=planes.device) % (2 * side)
    return planes.index_select(axis, torch.minimum(places, 2 * side - 1 - places))
