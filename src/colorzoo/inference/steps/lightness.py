"""Conversion of a color to any lightness."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.color import at_lightness
from colorzoo.color.lab import lab_to_linear_rgb, lightness_to_luminance, linear_rgb_to_lab
from colorzoo.guidance.rasterize import color_lab

_LIGHTNESSES = 201  # at which a color is computed; between them linear interpolation is exact enough


def ab_at_lightness(color: str, lightness: Tensor) -> Tensor:
    """Return ab ``(2, h, w)`` of ``#rrggbb`` at the lightness ``(h, w)``, with its chroma if in gamut."""
    return _look_up(_ab_table(color), lightness)


def ab_in_light(color: str, lightness: Tensor) -> Tensor:
    """Return ab ``(2, h, w)`` of ``#rrggbb`` at the lightness ``(h, w)``, desaturated in shadows.

    Pixels darker than the color get its linear RGB scaled down, so the chroma decreases with the lightness.
    """
    return _look_up(_shaded_table(color), lightness)


def _look_up(table: Tensor, lightness: Tensor) -> Tensor:
    place = lightness.clamp(0, 100) * ((_LIGHTNESSES - 1) / 100)
    below = place.floor().clamp(max=_LIGHTNESSES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


@lru_cache(maxsize=64)
def _ab_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color at lightnesses from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _LIGHTNESSES)
    return at_lightness(lab, torch.linspace(0, 100, _LIGHTNESSES).view(1, 1, -1))[1:, 0]


@lru_cache(maxsize=64)
def _shaded_table(color: str) -> Tensor:
    """Return the table of a color whose linear RGB is scaled down."""
    lab = torch.tensor(color_lab(color)).view(3, 1)
    light = lightness_to_luminance(torch.linspace(0, 100, _LIGHTNESSES)) / lightness_to_luminance(lab[0])
    shaded = linear_rgb_to_lab(lab_to_linear_rgb(lab, dim=0) * light)[1:]
    return torch.where(light < 1, shaded, _ab_table(color))
