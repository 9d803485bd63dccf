"""Pages without a scene, such as text, which stay gray."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR, detect_page


@dataclass(frozen=True)
class BlankPage:
    """Detection of blank pages and pages of text in photos without guidance."""

    @classmethod
    def of(cls, edit: Edit) -> tuple[BlankPage, ...]:
        """Return the layer of an edit; nothing if the edit has guidance that changes the colors."""
        # guidance that the model ignores does not change the result
        used = {*edit.kinds} & {"points", *edit.network.model.accepts}
        if edit.tensors.points is None and all(hint.strength == 0 for hint in edit.recipe.points):
            used -= {"points"}  # points without effect
        is_possible = edit.detects_pages and edit.drawing is None and not edit.recipe.areas
        return (cls(),) if is_possible and not used else ()

    def apply(self, canvas: Canvas) -> Canvas:
        """Remove the colors of a page."""
        if not canvas.edit.run(detect_page, canvas.edit.lightness):
            return canvas
        return canvas.map(torch.zeros_like).noted(NOTHING_TO_COLOR)
