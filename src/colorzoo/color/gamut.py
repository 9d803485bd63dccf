"""What sRGB can show: a test for it, and chroma reduction."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from colorzoo.color.chroma_limit import fit_chroma
from colorzoo.color.linear import (
    lab_to_linear_rgb,
    linear_rgb_to_lab,
    luma_to_luminance,
    luminance_of,
)
from colorzoo.color.oklab import ChromaPath

_TOLERANCE = 1e-4  # in linear RGB; the cube's own faces count as inside
_FARTHEST = 4.0  # times the chroma of an equally bright color; that of dark colors is small
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
    """Take as much chroma from colors outside sRGB as they need to fit; lightness (CIE) and hue (Oklab) stay.

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
        linear = lab_to_linear_rgb(pixels, dim=0)
        outside = _outside(linear)
        if outside.numel():
            luma = pixels[0, outside]
            pulled = linear_rgb_to_lab(fit_chroma(linear[:, outside], luma, _TOLERANCE / 2))[1:]
            possible = (luma >= 0) & (luma <= 100)
            pixels[1:, outside] = torch.where(possible, pulled, 0.0)
        return pixels.view_as(planes).movedim(0, -3)


def at_lightness(lab: Tensor, luma: Tensor) -> Tensor:
    """Bring colors to another lightness: hue (Oklab) stays, and chroma as far as sRGB can show it there.

    Args:
        lab: ``(..., 3, H, W)``, the colors that were chosen, inside sRGB.
        luma: ``(..., 1, H, W)``, the lightness they shall have.

    Returns:
        ``(..., 3, H, W)`` float32 Lab of that lightness.
    """
    with torch.autocast(lab.device.type, enabled=False):
        pixels, target = lab.float().movedim(-3, 0).flatten(1), luma.float().clamp(0, 100).flatten()
        chroma = torch.linalg.vector_norm(pixels[1:], dim=0)
        luminance = luma_to_luminance(target)
        linear = lab_to_linear_rgb(pixels, dim=0)
        path = ChromaPath(linear * (luminance / luminance_of(linear).clamp(min=1e-6)), luminance)

        def fits(linear: Tensor) -> Tensor:
            pale: Tensor = torch.linalg.vector_norm(linear_rgb_to_lab(linear)[1:], dim=0) <= chroma
            return _within_cube(linear, _TOLERANCE / 2) & pale

        found = linear_rgb_to_lab(_farthest(path, fits, torch.full_like(target, _FARTHEST)))
        return torch.cat([target[None], found[1:]]).view_as(lab.movedim(-3, 0)).movedim(0, -3)


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
        if outside.numel():
            fitting = fit_chroma(
                linear.index_select(1, outside), pixels[0].index_select(0, outside), _TOLERANCE / 2
            )
            linear = linear.index_copy(1, outside, fitting)
        return linear.view_as(planes).movedim(0, -3)


def _farthest(path: ChromaPath, fits: Callable[[Tensor], Tensor], end: Tensor) -> Tensor:
    """Return the colors farthest from gray, up to ``end``, that fit, by bisection."""
    low, high = torch.zeros_like(end), end
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inside = fits(path.at(middle))
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return path.at(low)


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
