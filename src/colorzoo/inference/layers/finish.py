"""Adjustment of all colors, such as temperature and vibrance, at full size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from colorzoo.guidance.edits import Finish
from colorzoo.inference.canvas import Canvas, outside_locks
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import Overlay

_WARMEST = (5.0, 20.0)  # change of a and b in CIE units at a temperature of 100 and a lightness of 50
_MOST_MAGENTA = (16.0, -6.0)  # change of a and b in CIE units at a tint of 100 and a lightness of 50
_VIVID = 35.0  # chroma in CIE units at which vibrance has a third of its effect on gray


@dataclass(frozen=True)
class Adjustment:
    """Adjustment of the recipe field ``finish``; locked colors do not change."""

    finish: Finish
    title: ClassVar[str] = ""
    shades: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, edit: Edit) -> tuple[Adjustment, ...]:
        """Return the layer of an edit; nothing without an adjustment."""
        return () if edit.recipe.finish is None else (cls(edit.recipe.finish),)

    def apply(self, canvas: Canvas) -> Canvas:
        """Add the adjustment to the changes at full size."""
        return canvas.finished_by(self)

    def overlay(self, canvas: Canvas, size: tuple[int, int]) -> Overlay:
        """Return the change of an image of ``size`` (height, width)."""
        return outside_locks(partial(_adjust_colors, self.finish), canvas.locked, size)


def _adjust_colors(finish: Finish, ab: Tensor, lightness: Tensor, _first: int) -> None:
    """Adjust all colors, for example their temperature and vibrance; see `Overlay`."""
    share = (lightness / 50 - 1).clamp(-1, 1)  # -1 for black, 1 for white
    pale = torch.exp(-ab.square().sum(dim=0).sqrt() / _VIVID)
    factor = 1 + finish.vibrance / 100 * pale
    factor *= 1 + finish.shadows / 100 * (-share).clamp(min=0)
    factor *= 1 + finish.highlights / 100 * share.clamp(min=0)
    ab *= factor
    if finish.temperature or finish.tint:
        weight = 1 - share**4  # black and white stay neutral
        for channel in (0, 1):
            warmer = finish.temperature / 100 * _WARMEST[channel]
            pinker = finish.tint / 100 * _MOST_MAGENTA[channel]
            ab[channel] += (warmer + pinker) * weight
