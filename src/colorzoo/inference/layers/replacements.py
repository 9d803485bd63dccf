"""Replacement of all colors of some hues, at full size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from colorzoo.guidance import ColorReplacement
from colorzoo.guidance.hints import color_lab
from colorzoo.inference.canvas import Canvas, outside_locks
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import Overlay

_LEAST_CHANGE = 0.5  # CIE units; a smaller change is not visible
_REPLACED_GRAY = 10.0  # chroma in CIE units below which colors are replaced with less weight
_REPLACED_GRAY_SHARE = 0.5  # upper limit of `_REPLACED_GRAY`, as a fraction of the old color's chroma
_REPLACED_MOST_CHROMA = 8.0  # largest factor on the chroma


@dataclass(frozen=True)
class Replacements:
    """Color replacements of the recipe field ``replacements``; locked colors do not change."""

    replacements: tuple[ColorReplacement, ...]
    title: ClassVar[str] = ""
    shades: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, edit: Edit) -> tuple[Replacements, ...]:
        """Return the layer of an edit; nothing without replacements."""
        return (cls(edit.recipe.replacements),) if edit.recipe.replacements else ()

    def apply(self, canvas: Canvas) -> Canvas:
        """Add the replacements to the changes at full size."""
        free = 1 if canvas.locked is None else 1 - canvas.locked
        ab = canvas.ab[0].clone()
        for each in self.replacements:  # a later replacement can change the result of an earlier one
            before = ab.clone()
            _replace_colors((each,), ab, before, 0)
            if ((ab - before).abs() * free).amax() < _LEAST_CHANGE:
                canvas = canvas.noted(f"no color is similar to {each.old}, which would become {each.new}")
        return canvas.finished_by(self)

    def overlay(self, canvas: Canvas, size: tuple[int, int]) -> Overlay:
        """Return the change of an image of ``size`` (height, width)."""
        return outside_locks(partial(_replace_colors, self.replacements), canvas.locked, size)


def _replace_colors(
    replacements: tuple[ColorReplacement, ...], ab: Tensor, _lightness: Tensor, _first: int
) -> None:
    """Replace all colors of some hues with other colors; see `Overlay`.

    The hue of similar colors is rotated by the angle between the old and the new color, and their chroma is
    scaled.
    """
    for replacement in replacements:
        _, old_a, old_b = color_lab(replacement.old)
        _, new_a, new_b = color_lab(replacement.new)
        old_chroma, new_chroma = math.hypot(old_a, old_b), math.hypot(new_a, new_b)
        a, b = ab[0], ab[1]
        chroma = (a.square() + b.square()).sqrt()
        # The weight is 1 for hues within `range` degrees of the old hue. It decreases to 0 within the next
        # `fade` degrees, and for nearly gray colors.
        # sine and cosine of the angle between the hue of each pixel and the old hue, times the chroma
        across, along = (old_a * b - old_b * a) / old_chroma, (old_a * a + old_b * b) / old_chroma
        angle = torch.rad2deg(torch.atan2(across, along)).abs()  # in degrees
        last_angle = replacement.range + replacement.fade
        hue_weight = ((last_angle - angle) / max(replacement.fade, 1e-3)).clamp(0, 1)
        full_chroma = min(_REPLACED_GRAY, _REPLACED_GRAY_SHARE * old_chroma)
        chroma_weight = (chroma / full_chroma).clamp(max=1)
        weight = _smooth(hue_weight) * _smooth(chroma_weight)
        # rotate the hue
        turn = math.atan2(new_b, new_a) - math.atan2(old_b, old_a)  # in radians
        cosine, sine = math.cos(turn), math.sin(turn)
        rotated = torch.stack([cosine * a - sine * b, sine * a + cosine * b])
        # colors with more chroma than the old color gain the same amount, not the same factor
        factor = min(new_chroma / old_chroma, _REPLACED_MOST_CHROMA)
        gained = max(factor - 1, 0) * old_chroma / chroma.clamp(min=old_chroma)
        scaled = (min(factor, 1) + gained) * rotated
        ab += replacement.opacity * weight * (scaled - ab)


def _smooth(share: Tensor) -> Tensor:
    return share * share * (3 - 2 * share)
