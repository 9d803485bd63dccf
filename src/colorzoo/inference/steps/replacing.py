"""Replacement of colors by hue after the network, at any image size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.guidance import ColorReplacement
from colorzoo.guidance.rasterize import color_lab
from colorzoo.inference.full_size import BicubicUpsampler


@dataclass(frozen=True)
class ReplacingConstants:
    """Constants of replaced colors.

    Attributes:
        gray: Chroma in CIE units below which the hue gets less weight.
        gray_share: Maximum of this chroma, as a fraction of the chroma of the old color.
        most_chroma: Largest factor on the chroma.
    """

    gray: float = 10.0
    gray_share: float = 0.5
    most_chroma: float = 8.0


REPLACING = ReplacingConstants()


@dataclass(frozen=True)
class Replacing:
    """Replacement of colors by hue.

    Attributes:
        replacements: Replacements in the order of application.
        locked: ``(1, H, W)`` at full size, in [0, 1], mask of locked colors; None without locks.
    """

    replacements: tuple[ColorReplacement, ...]
    locked: BicubicUpsampler | None

    def add_to(self, ab: Tensor, lightness: Tensor, first: int) -> None:
        """Replace colors in the rows from ``first`` of an ab map; see `Overlay`."""
        before = ab.clone()
        for replacement in self.replacements:
            _replace(ab, replacement)
        if self.locked is not None:
            share = self.locked.rows(first, first + ab.shape[1]).clamp(0, 1)
            ab += share * (before - ab)


def _replace(ab: Tensor, replacement: ColorReplacement) -> None:
    """Replace a color in ab ``(2, rows, W)``, in place."""
    _, old_a, old_b = color_lab(replacement.old)
    _, new_a, new_b = color_lab(replacement.new)
    old_chroma, new_chroma = math.hypot(old_a, old_b), math.hypot(new_a, new_b)
    factor = min(new_chroma / old_chroma, REPLACING.most_chroma)
    a, b = ab[0], ab[1]
    # the angle from the old hue, by its sine and cosine
    across, along = (old_a * b - old_b * a) / old_chroma, (old_a * a + old_b * b) / old_chroma
    angle = torch.rad2deg(torch.atan2(across, along)).abs()
    near = ((replacement.range + replacement.fade - angle) / max(replacement.fade, 1e-3)).clamp(0, 1)
    full = min(REPLACING.gray, REPLACING.gray_share * old_chroma)
    chroma = (a.square() + b.square()).sqrt()
    share = _smooth(near) * _smooth((chroma / full).clamp(max=1))
    turn = math.atan2(new_b, new_a) - math.atan2(old_b, old_a)
    cosine, sine = math.cos(turn), math.sin(turn)
    # colors with more chroma than the old color gain the same amount, not the same factor
    gained = max(factor - 1, 0) * old_chroma / chroma.clamp(min=old_chroma)
    turned = (min(factor, 1) + gained) * torch.stack([cosine * a - sine * b, sine * a + cosine * b])
    ab += replacement.opacity * share * (turned - ab)


def _smooth(share: Tensor) -> Tensor:
    return share * share * (3 - 2 * share)
