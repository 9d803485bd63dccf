"""Oklab (Ottosson 2020), in which a color keeps its hue when it loses chroma; in CIE Lab blue turns violet.

Lightness stays that of CIE: scaling linear RGB scales Oklab as a whole, so hue holds while the luminance Y is
brought back to what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colorzoo.color.linear import LUMINANCE_WEIGHTS, luminance_of, weighed

Matrix = tuple[tuple[float, ...], ...]
# linear sRGB to cone responses, and their cube roots to Oklab; https://bottosson.github.io/posts/oklab
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_TINY = 1e-9


class ChromaPath:
    """The way from the gray of a luminance to colors, at constant hue (Oklab) and luminance.

    Args:
        linear: ``(3, N)`` linear sRGB, any values.
        luminance: ``(N,)`` Y in [0, 1] that all colors of the way have.
    """

    def __init__(self, linear: Tensor, luminance: Tensor) -> None:
        self._luminance = luminance
        self._gray = _to_oklab(luminance.expand(3, -1))
        self._way = _to_oklab(linear) - self._gray

    def at(self, share: Tensor) -> Tensor:
        """Return linear sRGB ``(3, N)``, ``(N,)`` of the way from gray (0) to the color (1)."""
        linear = _from_oklab(self._gray + share * self._way)
        return linear * (self._luminance / luminance_of(linear).clamp(min=_TINY))


def chroma_of(linear: Tensor) -> tuple[Tensor, Tensor]:
    """Return a and b of Oklab, ``(N,)`` each, of linear sRGB ``(3, N)``."""
    cones = [_root(weighed(linear, row)) for row in _TO_CONES]
    return weighed(cones, _TO_OKLAB[1]), weighed(cones, _TO_OKLAB[2])


def cone_slopes(cosine: Tensor, sine: Tensor) -> list[Tensor]:
    """Return how fast each root of a cone response changes along the curve of `color_on_curve`.

    Args:
        cosine: ``(N,)`` of the hue.
        sine: ``(N,)`` of the hue.
    """
    return [across * cosine + up * sine for _, across, up in _FROM_OKLAB]


def color_on_curve(slopes: Sequence[Tensor], share: Tensor, luminance: Tensor) -> list[Tensor]:
    """Return linear sRGB ``3 x (N,)`` of a luminance and an Oklab direction ``(1, s cos h, s sin h)``.

    Args:
        slopes: Of the hue, from `cone_slopes`.
        share: ``(N,)``, s: chroma over lightness.
        luminance: ``(N,)`` Y in [0, 1].
    """
    cones = [(1 + share * slope) ** 3 for slope in slopes]
    scale = luminance / weighed(cones, _LUMINANCE_OF_CONES).clamp(min=_TINY)
    return [weighed(cones, row) * scale for row in _FROM_CONES]


def _root(cone: Tensor) -> Tensor:
    """Return cube roots, negative ones of negative values; three times as fast as a power."""
    return torch.copysign(torch.exp2(torch.log2(cone.abs().clamp(min=_TINY)) / 3), cone)


def _to_oklab(linear: Tensor) -> Tensor:
    cones = _mixed(linear, _TO_CONES)
    return _mixed(cones.sign() * cones.abs().clamp(min=_TINY).pow(1 / 3), _TO_OKLAB)


def _from_oklab(oklab: Tensor) -> Tensor:
    return _mixed(_mixed(oklab, _FROM_OKLAB) ** 3, _FROM_CONES)


def _mixed(planes: Tensor, matrix: Matrix) -> Tensor:
    return planes.new_tensor(matrix) @ planes


def _inverse(matrix: Matrix) -> Matrix:
    inverse = np.linalg.inv(np.array(matrix))
    return tuple(tuple(map(float, row)) for row in inverse)


_FROM_CONES, _FROM_OKLAB = _inverse(_TO_CONES), _inverse(_TO_OKLAB)
_LUMINANCE_OF_CONES = tuple(np.array(LUMINANCE_WEIGHTS) @ np.array(_FROM_CONES))
