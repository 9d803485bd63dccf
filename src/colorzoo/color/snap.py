"""Snap a chosen color to a pixel's lightness, as the drawing pad of Zhang et al. 2017 does."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color.lab import lab_to_rgb, rgb_to_lab

_MAX_STEPS = 20
_CONVERGED = 1.0


def snap_to_luma(rgb: Tensor, luma: Tensor) -> Tensor:
    """Find the sRGB color nearest to ``rgb`` in hue and chroma that has the lightness ``luma``.

    The lightness is set, RGB clipped, and converted back, until nothing moves by one unit in sum
    (at most 20 rounds; the published pad does the same).

    Args:
        rgb: ``(..., 3, H, W)`` in [0, 1].
        luma: ``(..., 1, H, W)`` in [0, 100].

    Returns:
        ``(..., 3, H, W)`` Lab of the snapped color.
    """
    lab = rgb_to_lab(rgb)
    for _ in range(_MAX_STEPS):
        target = torch.cat([luma.expand_as(lab[..., :1, :, :]), lab[..., 1:, :, :]], dim=-3)
        previous, lab = lab, rgb_to_lab(lab_to_rgb(target))
        if bool(((lab - previous).abs().sum(dim=-3) < _CONVERGED).all()):
            break
    return lab
