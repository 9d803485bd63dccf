"""Conversion between images and network inputs or outputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab

AB_SCALE = 110.0
"""CIE units of a and b per unit of the network output."""


def scaled_lightness(lightness: Tensor) -> Tensor:
    """Scale lightness ``(B, 1, H, W)`` from [0, 100] to [-1, 1]."""
    return lightness / 50 - 1


def scaled_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB ``(B, 3, H, W)`` in [0, 1] to L / 50 - 1, a / 110 and b / 110."""
    lab = rgb_to_lab(rgb)
    return torch.cat([scaled_lightness(lab[:, :1]), lab[:, 1:] / AB_SCALE], dim=1)


def squashed(image: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` bilinearly to ``(B, C, side, side)`` in float32."""
    return F.interpolate(image.float(), size=(side, side), mode="bilinear", antialias=True)


def membership(length: int, cells: int, like: Tensor) -> Tensor:
    """Return a 0/1 matrix ``(cells, length)`` that assigns pixels to cells of equal size.

    An element is 1 if the center of the pixel lies in the cell.

    Args:
        length: Number of pixels along one axis.
        cells: Number of cells along this axis.
        like: Tensor that determines device and dtype of the matrix.
    """
    pixels = torch.arange(length, device=like.device)
    home = (2 * pixels + 1) * cells // (2 * length)
    return (home == torch.arange(cells, device=like.device)[:, None]).to(like.dtype)
