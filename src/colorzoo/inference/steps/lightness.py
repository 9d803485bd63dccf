"""A color at any lightness."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.color import at_lightness
from colorzoo.guidance.rasterize import color_lab

_LIGHTNESSES = 201  # at which a color is computed; between them linear interpolation is exact enough


def ab_at_lightness(color: str, lightness: Tensor) -> Tensor:
    """Return ab ``(2, h, w)`` of ``#rrggbb`` at the lightness ``(h, w)``."""
    table = _ab_table(color)
    place = lightness.clamp(0, 100) * ((_LIGHTNESSES - 1) / 100)
    below = place.floor().clamp(max=_LIGHTNESSES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


@lru_cache(maxsize=64)
def _ab_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color at lightnesses from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _LIGHTNESSES)
    return at_lightness(lab, torch.linspace(0, 100, _LIGHTNESSES).view(1, 1, -1))[1:, 0]
