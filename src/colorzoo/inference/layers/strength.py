"""Strength: a factor on the chroma of all colors below."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit


@dataclass(frozen=True)
class Strength:
    """Factor of the recipe field ``strength``.

    In a photo, it applies to all colors, also of points and areas. In a drawing, it applies to colors that no
    person filled. Locked colors and paint are later layers, which read the factor from the canvas.
    """

    factor: float

    @classmethod
    def of(cls, edit: Edit) -> tuple[Strength, ...]:
        """Return the layer of an edit; nothing for the factor 1."""
        return () if edit.recipe.strength == 1 else (cls(edit.recipe.strength),)

    def apply(self, canvas: Canvas) -> Canvas:
        """Multiply the chroma."""

        def scale(ab: Tensor) -> Tensor:
            return self.factor * ab

        return replace(canvas.map(scale, canvas.scalable), strength=self.factor)
