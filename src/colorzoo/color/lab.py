"""CIE Lab and sRGB (D65, 2 degree observer) on batched tensors, over kornia.

Conversion always runs in float32: under bfloat16 autocast kornia's result is off by several units.
"""

from __future__ import annotations

import kornia.color
import torch
from torch import Tensor

from colorzoo.color.gamut import linear_rgb_in_gamut
from colorzoo.color.linear import lab_to_linear_rgb


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab.

    Args:
        rgb: ``(..., 3, H, W)``, floating point in [0, 1].

    Returns:
        ``(..., 3, H, W)`` float32: L in [0, 100], a and b in CIE units.

    Raises:
        TypeError: An integer tensor, whose values would be taken for [0, 1].
        ValueError: The third axis from the end has no 3 channels.
    """
    _check(rgb, "rgb", "in [0, 1]")
    with torch.autocast(rgb.device.type, enabled=False):
        lab: Tensor = kornia.color.rgb_to_lab(rgb.float())
    return lab


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert CIE Lab to sRGB.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        clip: Clip each channel to [0, 1]. This shifts the hue of colors that sRGB cannot show;
            `lab_to_rgb_in_gamut` lowers their chroma instead. Without clipping, negative linear values
            still become 0, where the power of the transfer curve ends, but nothing is cut above 1.

    Returns:
        ``(..., 3, H, W)`` float32.
    """
    _check(lab, "lab", "in CIE units")
    with torch.autocast(lab.device.type, enabled=False):
        linear = lab_to_linear_rgb(lab.float()).clamp(0, 1 if clip else None)
        rgb: Tensor = kornia.color.linear_rgb_to_rgb(linear)
    return rgb


def lab_to_rgb_in_gamut(lab: Tensor) -> Tensor:
    """Convert CIE Lab to sRGB; colors outside sRGB lose chroma at constant lightness and hue (Oklab).

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32 in [0, 1].
    """
    _check(lab, "lab", "in CIE units")
    with torch.autocast(lab.device.type, enabled=False):
        rgb: Tensor = kornia.color.linear_rgb_to_rgb(linear_rgb_in_gamut(lab).clamp(0, 1))
    return rgb


def survives_rgb(lab: Tensor, *, eight_bit: bool = True) -> Tensor:
    """Say which colors come back from sRGB within one CIE unit, the gamut test of Zhang et al. 2017.

    It differs from `in_gamut`, which is exact, at about one color in a hundred near the faces of the gamut.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        eight_bit: Truncate RGB to whole levels of 255 on the way, as the published drawing pad does.

    Returns:
        ``(..., 1, H, W)`` bool.
    """
    rgb = lab_to_rgb(lab)
    if eight_bit:
        rgb = (rgb * 255).floor() / 255
    moved: Tensor = torch.linalg.vector_norm(rgb_to_lab(rgb) - lab.float(), dim=-3, keepdim=True)
    return moved < 1.0


def _check(color: Tensor, name: str, values: str) -> None:
    if not color.is_floating_point():
        raise TypeError(f"{name} must be a floating point tensor {values}, got {color.dtype}")
    if color.ndim < 3 or color.shape[-3] != 3:
        raise ValueError(f"{name} must have shape (..., 3, H, W), got {tuple(color.shape)}")
