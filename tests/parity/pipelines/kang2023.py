"""The published pipeline, for comparison; `colorzoo.Colorizer` is better on large images.

The image is squashed to a square; ab is enlarged by the nearest value, which shows as blocks; colors
outside sRGB are clipped by channel. The authors' code takes Lab from OpenCV, whose rounded formulas change
the result by at most two of 255 levels.
"""

from __future__ import annotations

import math
from typing import Literal

import kornia.color
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.color.lab import lab_to_linear_rgb

Enlargement = Literal["nearest", "bilinear", "bicubic"]


def squash(rgb: Tensor, side: int) -> Tensor:
    """Return ``(B, 3, side, side)`` of an image of any shape, bilinear and not antialiased.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        side: Side in pixels; 256 in training, 512 in the published pipeline.
    """
    return F.interpolate(rgb, size=(side, side), mode="bilinear", align_corners=False)


def network_lightness(rgb: Tensor, side: int) -> Tensor:
    """Return the network's input ``(B, 1, side, side)`` for RGB ``(B, 3, H, W)`` in [0, 1]."""
    return rgb_to_lab(squash(rgb, side))[:, :1]


def recolor(rgb: Tensor, ab: Tensor, enlargement: Enlargement = "nearest") -> Tensor:
    """Join ab with an image's lightness.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        ab: ``(B, 2, h, w)`` in CIE units.
        enlargement: Interpolation of ab to the image's size; ``nearest`` is published.

    Returns:
        ``(B, 3, H, W)`` in [0, 1], whole levels of 255.
    """
    large = F.interpolate(ab, size=rgb.shape[-2:], mode=enlargement)
    lab = torch.cat([rgb_to_lab(rgb)[:, :1], large], dim=1)
    linear = lab_to_linear_rgb(lab, least_z=-math.inf).clamp(0, 1)
    levels: Tensor = kornia.color.linear_rgb_to_rgb(linear).mul(255).round() / 255
    return levels
