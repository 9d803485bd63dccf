"""What networks read of pictures: Lab as L / 50 - 1 and ab / 110, squares, and the cells of pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab

AB_SCALE = 110.0
"""CIE units of a and b per unit of the network."""


def scaled_lightness(lightness: Tensor) -> Tensor:
    """Return lightness ``(B, 1, H, W)`` in [0, 100] as a map in [-1, 1]."""
    return lightness / 50 - 1


def scaled_lab(rgb: Tensor) -> Tensor:
    """Return sRGB ``(B, 3, H, W)`` in [0, 1] as L / 50 - 1, a / 110, b / 110, each about -1 to 1."""
    lab = rgb_to_lab(rgb)
    return torch.cat([scaled_lightness(lab[:, :1]), lab[:, 1:] / AB_SCALE], dim=1)


def scaled_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Return sRGB ``(B, 3, H, W)`` of what `scaled_lab` returns; see `colorzoo.color.lab_to_rgb`."""
    return lab_to_rgb(torch.cat([50 * (lab[:, :1] + 1), AB_SCALE * lab[:, 1:]], dim=1), clip=clip)


def squashed(picture: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` to a square of some side, bilinearly, in float32."""
    return F.interpolate(picture.float(), size=(side, side), mode="bilinear", antialias=True)


def membership(length: int, cells: int, like: Tensor) -> Tensor:
    """Return ``(cells, length)``: 1 where the center of a pixel lies in a cell."""
    pixels = torch.arange(length, device=like.device)
    home = (2 * pixels + 1) * cells // (2 * length)
    return (home == torch.arange(cells, device=like.device)[:, None]).to(like.dtype)
