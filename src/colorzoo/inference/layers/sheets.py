"""Colors that a drawing copies from sheets, earlier pages and earlier frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from colorzoo.guidance import DrawingSettings
from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit

if TYPE_CHECKING:
    from colorzoo.inference.region_memory import RegionMemory
    from colorzoo.inference.result import ColorizedImage


@dataclass(frozen=True)
class Sheets:
    """Colored drawings; regions of another drawing copy the colors of their best matches.

    Attributes:
        memory: Regions of the colored drawings.
        previous: Previous frame of a film, whose regions are also compared by their overlap.
    """

    memory: RegionMemory
    previous: ColorizedImage | None = None

    @classmethod
    def of(cls, edit: Edit) -> tuple[Sheets, ...]:
        """Return the layer of an edit; nothing without sheets."""
        sheets = edit.sheets
        return (sheets,) if isinstance(sheets, cls) and edit.drawing is not None else ()

    def apply(self, canvas: Canvas) -> Canvas:
        """Copy the colors of matching regions; regions without a match keep their automatic colors."""
        from colorzoo.inference.drawing_canvas import DrawingCanvas  # photos do not need these modules
        from colorzoo.inference.steps.drawing import palette_colors, to_lab

        assert isinstance(canvas, DrawingCanvas), "only drawings have sheets"
        edit, flats = canvas.edit, canvas.flats
        colors, is_matched = self.memory.match(flats.drawing, flats.colors, self.previous)
        palette = palette_colors((edit.recipe.drawing or DrawingSettings()).palette)
        if palette is not None:  # copied colors are limited to the palette, as predicted colors
            known = palette.numpy()
            nearest = torch.cdist(to_lab(colors).T, to_lab(known).T).argmin(1).numpy()
            colors = np.where(is_matched[:, None], known[nearest], colors)
        has_point = np.zeros_like(is_matched)
        for point in edit.recipe.points:
            has_point[flats.drawing.region_at(point.x, point.y, edit.image_size)] = True
        unmatched = int((~is_matched & ~has_point).sum())
        changed = replace(canvas, changed=replace(flats, colors=colors), unmatched=unmatched)
        if not unmatched or (self.memory.is_empty and self.previous is None):
            return changed
        return changed.noted(f"{unmatched} regions without a match got automatic colors")
