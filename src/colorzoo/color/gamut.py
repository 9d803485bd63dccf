"""What sRGB can show: a test for it, and chroma reduction."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color.linear import lab_to_linear_rgb

_TOLERANCE = 1e-4  # in linear RGB; the cube's own faces count as inside
_STEPS = 12  # bisection to 1/4096 of the chroma, well below one level of 8 bits


def in_gamut(lab: Tensor, *, tolerance: float = _TOLERANCE) -> Tensor:
    """Say which colors sRGB can show.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        tolerance: How far outside [0, 1] a linear RGB value may lie.

    Returns:
        ``(..., 1, H, W)`` bool.
    """
    with torch.autocast(lab.device.type, enabled=False):
        return _fits(lab.float().movedim(-3, 0), tolerance).unsqueeze(-3)


def reduce_chroma(lab: Tensor) -> Tensor:
    """Scale a and b of colors outside sRGB until they fit; lightness and hue stay.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32. Colors inside sRGB are returned unchanged. At a lightness outside
        [0, 100] nothing fits, and the color becomes gray.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        # flat planes throughout: rows of three values per pixel take more than twice the time
        pixels = planes.flatten(1).clone()
        outside = _outside(lab_to_linear_rgb(pixels, dim=0))
        pixels[:, outside] = _pulled_in(pixels[:, outside])
        return pixels.view_as(planes).movedim(0, -3)


def linear_rgb_in_gamut(lab: Tensor) -> Tensor:
    """Convert to linear sRGB what `reduce_chroma` returns, in one pass: colors inside are converted once.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32 in [0, 1] but for the tolerance of `in_gamut`, as planes of channels.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        pixels = planes.flatten(1)
        linear = lab_to_linear_rgb(pixels, dim=0)
        outside = _outside(linear)
        linear[:, outside] = lab_to_linear_rgb(_pulled_in(pixels[:, outside]), dim=0)
        return linear.view_as(planes).movedim(0, -3)


def _pulled_in(pixels: Tensor) -> Tensor:
    """Return ``(3, N)`` Lab colors with as much of their chroma as sRGB can show, by bisection."""
    if not pixels.numel():  # the bisection of nothing still takes two milliseconds
        return pixels
    luma, ab = pixels[:1], pixels[1:]
    low, high = torch.zeros_like(luma), torch.ones_like(luma)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        fits = _fits(torch.cat([luma, ab * middle]), _TOLERANCE)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return torch.cat([luma, ab * low])


def _outside(linear: Tensor) -> Tensor:
    """Return the indices of the ``(3, N)`` linear colors that sRGB cannot show."""
    return (~_within_cube(linear, _TOLERANCE)).nonzero().squeeze(-1)


def _fits(planes: Tensor, tolerance: float) -> Tensor:
    """Return ``(...)`` bool for ``(3, ...)`` Lab colors."""
    return _within_cube(lab_to_linear_rgb(planes, dim=0), tolerance)


def _within_cube(linear: Tensor, tolerance: float) -> Tensor:
    red, green, blue = linear
    lowest = torch.minimum(torch.minimum(red, green), blue)
    highest = torch.maximum(torch.maximum(red, green), blue)
    within: Tensor = (lowest >= -tolerance) & (highest <= 1 + tolerance)
    return within
