"""Colors of one hue at each lightness, as tables."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.color.lab import at_lightness, lab_to_linear_rgb, lightness_to_luminance, linear_rgb_to_lab
from colorzoo.guidance.hints import color_lab

_LIGHTNESSES = 201  # number of lightness values in a color table; other values are interpolated linearly


def ab_at_lightness(color: str, lightness: Tensor) -> Tensor:
    """Return the ab ``(2, h, w)`` of a ``#rrggbb`` color at each lightness ``(h, w)``.

    The chroma is reduced where the color would lie outside sRGB at this lightness.
    """
    return look_up(_ab_table(color), lightness)


def look_up(table: Tensor, lightness: Tensor) -> Tensor:
    """Interpolate a table of ab at each lightness ``(h, w)``; return ``(2, h, w)``."""
    place = lightness.clamp(0, 100) * ((_LIGHTNESSES - 1) / 100)
    below = place.floor().clamp(max=_LIGHTNESSES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


@lru_cache(maxsize=64)
def _ab_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color at lightness values from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _LIGHTNESSES)
    return at_lightness(lab, torch.linspace(0, 100, _LIGHTNESSES).view(1, 1, -1))[1:, 0]


@lru_cache(maxsize=64)
def shaded_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color with less chroma in dark pixels.

    In pixels darker than the color, the linear RGB of the color is scaled down, so the chroma decreases with
    the lightness.
    """
    lab = torch.tensor(color_lab(color)).view(3, 1)
    light = lightness_to_luminance(torch.linspace(0, 100, _LIGHTNESSES)) / lightness_to_luminance(lab[0])
    shaded = linear_rgb_to_lab(lab_to_linear_rgb(lab, dim=0) * light)[1:]
    return torch.where(light < 1, shaded, _ab_table(color))
