"""Color changes at full size after the network: replaced colors, then paint, then adjustments."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from colorzoo.guidance import Recipe
from colorzoo.inference.full_size import BicubicUpsampler, Overlay
from colorzoo.inference.steps.finishing import Finishing
from colorzoo.inference.steps.painting import Painting
from colorzoo.inference.steps.replacing import Replacing


def overlays_of(
    recipe: Recipe,
    image_size: tuple[int, int],
    shape: Sequence[int],
    locked: Tensor | None = None,
    reaches: Sequence[Tensor | None] = (),
) -> tuple[Overlay, ...]:
    """Return the overlays of a recipe, the lowest first.

    Args:
        recipe: The recipe.
        image_size: Width and height of its image.
        shape: Height and width of the result.
        locked: ``(h, w)`` in [0, 1], mask of locked colors; None without locks.
        reaches: ``(h, w)`` in [0, 1], the reach mask of each paint stroke; see `ColorizedImage`.
    """
    size, found = (int(shape[0]), int(shape[1])), list[Overlay]()
    if recipe.replacements:
        kept = None if locked is None else BicubicUpsampler(locked[None], size)
        found.append(Replacing(recipe.replacements, kept))
    if recipe.paint:
        limits = tuple(None if each is None else BicubicUpsampler(each[None], size) for each in reaches)
        found.append(Painting(recipe.paint, image_size, size, recipe.strength, limits))
    if recipe.finish is not None:
        found.append(Finishing(recipe.finish))
    return tuple(found)
