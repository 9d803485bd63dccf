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
        outside = (~_fits(pixels, _TOLERANCE)).nonzero().squeeze(-1)
        luma, ab = pixels[:1, outside], pixels[1:, outside]
        low, high = torch.zeros_like(luma), torch.ones_like(luma)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            fits = _fits(torch.cat([luma, ab * middle]), _TOLERANCE)
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        pixels[1:, outside] = ab * low
        return pixels.view_as(planes).movedim(0, -3)


def _fits(planes: Tensor, tolerance: float) -> Tensor:
    """Return ``(...)`` bool for ``(3, ...)`` Lab colors."""
    lowest, highest = lab_to_linear_rgb(planes, dim=0).aminmax(dim=0)
    fits: Tensor = (lowest >= -tolerance) & (highest <= 1 + tolerance)
    return fits
