"""Soft shading of a drawing, which multiplies the colors by a gray."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import BicubicUpsampler, Overlay
from colorzoo.inference.layers.locks import lock_areas
from colorzoo.inference.layers.paint import multiply_colors
from colorzoo.prediction import RgbPrediction

if TYPE_CHECKING:  # photos do not need this module
    from colorzoo.inference.drawing_canvas import DrawingCanvas

_SHADE = 128  # gray level that multiplies the colors where the coverage is 1


@dataclass(frozen=True, eq=False)
class SoftShading:
    """Soft shading of all regions of a drawing except blank paper; points do not change it.

    Attributes:
        coverage: Opacity ``(h, w)`` of the gray; computed by `apply`.
        is_paper: ``(n,)``, regions without shading; computed by `apply`.
    """

    coverage: Tensor | None = None
    is_paper: NDArray[np.bool_] | None = None
    title: ClassVar[str] = "Shading"
    shades: ClassVar[tuple[str, ...]] = (f"#{_SHADE:02x}{_SHADE:02x}{_SHADE:02x}",)

    @classmethod
    def of(cls, edit: Edit) -> tuple[SoftShading, ...]:
        """Return the layer of an edit; nothing without shading."""
        settings = edit.recipe.drawing
        return () if edit.drawing is None or settings is None or not settings.shading else (cls(),)

    def apply(self, canvas: Canvas) -> Canvas:
        """Add the shading to the changes at full size."""
        from colorzoo.inference.steps.drawing import soft_shading  # photos do not need it

        edit, drawn = canvas.edit, cast("DrawingCanvas", canvas)
        prediction = edit.predict()
        assert isinstance(prediction, RgbPrediction), "models for drawings predict RGB"
        coverage = edit.run(soft_shading, prediction.rgb, edit.drawing, edit.network_input, _SHADE / 255)
        stored = tuple(area for area in edit.areas("only", "lock") if area.kept is not None)
        if stored:  # the stored colors contain the shading
            _, share = lock_areas(torch.zeros(3, *edit.map_size), edit.draw(stored), None, None)
            coverage = coverage * (1 - share)
        return canvas.finished_by(replace(self, coverage=coverage, is_paper=drawn.flats.is_paper))

    def overlay(self, canvas: Canvas, size: tuple[int, int]) -> Overlay:
        """Return the change of an image of ``size`` (height, width)."""
        assert self.coverage is not None, "computed by `apply`"
        assert self.is_paper is not None, "computed by `apply`"
        enlarged, is_paper = BicubicUpsampler(self.coverage[None], size), self.is_paper
        regions = cast("DrawingCanvas", canvas).flats.drawing.resized(size).regions

        def shade(ab: Tensor, lightness: Tensor, first: int) -> None:
            last = first + len(lightness)
            opacity = enlarged.rows(first, last).clamp(0, 1)
            opacity.masked_fill_(torch.from_numpy(is_paper[regions[first:last]]), 0)
            multiply_colors(1 - (1 - _SHADE / 255) * opacity.expand(3, -1, -1), ab, lightness, on_paper=True)

        return shade
