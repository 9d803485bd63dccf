"""Conversion of images to network input: L / 50 - 1, ab / 110, squares, and cell membership."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab

AB_SCALE = 110.0
"""CIE units of a and b per unit of the network output."""


def scaled_lightness(lightness: Tensor) -> Tensor:
    """Scale lightness ``(B, 1, H, W)`` from [0, 100] to [-1, 1]."""
    return lightness / 50 - 1


def scaled_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB ``(B, 3, H, W)`` in [0, 1] to L / 50 - 1, a / 110 and b / 110."""
    lab = rgb_to_lab(rgb)
    return torch.cat([scaled_lightness(lab[:, :1]), lab[:, 1:] / AB_SCALE], dim=1)


def scaled_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert the output of `scaled_lab` to sRGB ``(B, 3, H, W)``; see `colorzoo.color.lab_to_rgb`."""
    return lab_to_rgb(torch.cat([50 * (lab[:, :1] + 1), AB_SCALE * lab[:, 1:]], dim=1), clip=clip)


def squashed(image: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` bilinearly to a square in float32, without keeping the aspect ratio."""
    return F.interpolate(image.float(), size=(side, side), mode="bilinear", antialias=True)


def membership(length: int, cells: int, like: Tensor) -> Tensor:
    """Return ``(cells, length)``, 1 where the center of a pixel lies in a cell."""
    pixels = torch.arange(length, device=like.device)
    home = (2 * pixels + 1) * cells // (2 * length)
    return (home == torch.arange(cells, device=like.device)[:, None]).to(like.dtype)
