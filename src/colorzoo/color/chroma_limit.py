"""How much chroma sRGB shows at a lightness and hue: a table made once, instead of a search for each pixel.

At constant luminance and hue all colors lie on one curve, whatever color the way began with: that of the
Oklab directions ``(1, s cos h, s sin h)``, where s, chroma over lightness, grows from 0 at gray. The table
holds in which bracket of s each cell of lightness and hue leaves sRGB. Within a bracket the curve is nearly
straight, so that each channel tells by one division where it meets its face of the cube, and the nearest face
counts: also where two of them meet, which a table that is interpolated would miss. A second round, with the
bracket's end at what the first one found, takes the rest of the curve's bend away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from colorzoo.color.linear import luma_to_luminance
from colorzoo.color.oklab import chroma_of, color_on_curve, cone_slopes

_LUMAS, _HUES = 128, 1024  # cells
_MOST = 1.0  # s; no color of sRGB has more than 0.71
_PRECISION = 1e-4  # of s at the corners
_MARGIN = 2e-3  # s by which a cell may pass its corners
_DARKEST = 1e-2  # L; black has no chroma, and what is nearly black as much as what is a little less dark
_BEYOND = 4.0  # times the bracket; only the tolerance asks for that, in the dark
_LEAST = 1e-3
_TINY = 1e-12


def fit_chroma(linear: Tensor, luma: Tensor, tolerance: float) -> Tensor:
    """Take from colors as much chroma as they need to fit into sRGB; luminance and hue (Oklab) stay.

    Args:
        linear: ``(3, N)`` linear sRGB that does not fit.
        luma: ``(N,)``, their L in [0, 100].
        tolerance: How far outside [0, 1] the result may lie; it is worth some chroma in the dark.

    Returns:
        ``(3, N)`` linear sRGB.
    """
    luma = luma.clamp(0, 100)
    luminance = luma_to_luminance(luma)
    a, b = chroma_of(linear)
    slopes = cone_slopes(*_direction(a, b))
    low, high = _bracket(luma, a, b)
    inner, outer = (color_on_curve(slopes, s, luminance) for s in (low, high))
    near = low + _meeting(inner, outer, tolerance) * (high - low)
    outer = color_on_curve(slopes, near, luminance)
    share = _meeting(inner, outer, tolerance)
    planes = [one + share * (other - one) for one, other in zip(inner, outer, strict=True)]
    return torch.stack(planes).clamp(-tolerance, 1 + tolerance)


def _meeting(inner: Sequence[Tensor], outer: Sequence[Tensor], tolerance: float) -> Tensor:
    """Return which share ``(N,)`` of the straight way between colors ends at the nearest face of sRGB."""
    nearest: Tensor | None = None
    for one, other in zip(inner, outer, strict=True):
        way = other - one + _TINY
        share = torch.maximum((1 + tolerance - one) / way, (-tolerance - one) / way)
        nearest = share if nearest is None else torch.minimum(nearest, share)
    assert nearest is not None
    return nearest.clamp(_LEAST, _BEYOND)


def _direction(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the hue."""
    inverse = (a * a + b * b).clamp(min=_TINY).rsqrt()
    return a * inverse, b * inverse


def _bracket(luma: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return between which ``(N,)`` s colors of a lightness and hue leave sRGB."""
    row = (luma.detach() * (_LUMAS / 100)).to(torch.int32).clamp(max=_LUMAS - 1)
    turn = torch.atan2(b.detach(), a.detach()) * (_HUES / math.tau) + _HUES / 2
    cell = row * _HUES + turn.to(torch.int32).clamp(0, _HUES - 1)
    low, high = _table()
    return low.to(luma.device).index_select(0, cell), high.to(luma.device).index_select(0, cell)


@cache
def _table() -> tuple[Tensor, Tensor]:
    """Return the least and the greatest s at which the corners of each cell leave sRGB, row by row of L."""
    hue = torch.linspace(-math.pi, math.pi, _HUES + 1)
    lumas = torch.linspace(0, 100, _LUMAS + 1).clamp(min=_DARKEST)
    rows = [
        greatest(some.repeat_interleave(len(hue)), hue.repeat(len(some))) for some in torch.split(lumas, 8)
    ]
    corners = torch.cat(rows).view(1, _LUMAS + 1, _HUES + 1)
    low = -torch.nn.functional.max_pool2d(-corners, 2, stride=1)
    high = torch.nn.functional.max_pool2d(corners, 2, stride=1)
    return (low - _MARGIN).clamp(min=0).flatten(), (high + _MARGIN).flatten()


def greatest(luma: Tensor, hue: Tensor) -> Tensor:
    """Return the greatest s ``(N,)`` that sRGB shows, by bisection.

    Args:
        luma: ``(N,)`` in [0, 100].
        hue: ``(N,)`` of Oklab in radians.
    """
    slopes = cone_slopes(hue.cos(), hue.sin())
    luminance = luma_to_luminance(luma)
    found, step = torch.zeros_like(luma), _MOST / 2
    while step > _PRECISION:
        red, green, blue = color_on_curve(slopes, found + step, luminance)
        lowest = torch.minimum(torch.minimum(red, green), blue)
        highest = torch.maximum(torch.maximum(red, green), blue)
        found += step * ((lowest >= 0) & (highest <= 1))
        step /= 2
    return found
