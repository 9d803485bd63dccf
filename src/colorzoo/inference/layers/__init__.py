"""Layers: changes of the predicted colors, in a fixed order.

Automatic layers come first, then what a person sets (points, areas), then what applies to all of it
(strength), then locks, then replacements, soft shading, paint and adjustments at full size. Only the soft
shading of a drawing is automatic and follows what a person set, and no layer reads another layer.
"""

from __future__ import annotations

from typing import Protocol, Self

from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.layers.areas import FilledAreas
from colorzoo.inference.layers.finish import Adjustment
from colorzoo.inference.layers.locks import Locks
from colorzoo.inference.layers.pages import BlankPage
from colorzoo.inference.layers.paint import Paint
from colorzoo.inference.layers.points import ColorPoints
from colorzoo.inference.layers.replacements import Replacements
from colorzoo.inference.layers.shading import SoftShading
from colorzoo.inference.layers.sheets import Sheets
from colorzoo.inference.layers.strength import Strength


class Layer(Protocol):
    """One kind of change; a frozen dataclass with its values from the recipe."""

    @classmethod
    def of(cls, edit: Edit) -> tuple[Self, ...]:
        """Return the layers of this kind of an edit; nothing if the recipe does not have this change."""
        ...

    def apply(self, canvas: Canvas) -> Canvas:
        """Return the canvas with the change."""
        ...


ORDER: tuple[type[Layer], ...] = (
    BlankPage,
    Sheets,
    ColorPoints,
    FilledAreas,
    Strength,
    Locks,
    Replacements,
    SoftShading,
    Paint,
    Adjustment,
)
"""Kinds of layers in the order of application."""


def layers_of(edit: Edit) -> tuple[Layer, ...]:
    """Return the changes of the predicted colors, in the order of application."""
    return tuple(layer for kind in ORDER for layer in kind.of(edit))
