"""Nearest-hint painting: the simplest baseline that obeys color points."""

from __future__ import annotations

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from colorzoo.guidance import Points


def nearest_hint(points: Points) -> Tensor:
    """Return ``(B, 2, H, W)`` ab: each pixel takes the color of the nearest given one, gray without any."""
    return torch.stack([_paint(ab, mask[0] > 0.5) for ab, mask in zip(points.ab, points.mask, strict=True)])


def _paint(ab: Tensor, given: Tensor) -> Tensor:
    if not given.any():
        return torch.zeros_like(ab)
    rows, columns = distance_transform_edt(~given.numpy(), return_distances=False, return_indices=True)
    return ab[:, torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]
