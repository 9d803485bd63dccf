"""Combinations of single inference steps for tests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import Reach
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import Overlay
from colorzoo.inference.layers.finish import Adjustment
from colorzoo.inference.layers.paint import Paint
from colorzoo.inference.layers.replacements import Replacements
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.steps.reach import (
    Extent,
    Map,
    Paths,
    PointPatches,
    find_paths,
    limit_extent,
    on_grid,
    step_costs,
)

Likeness = Callable[[Tensor], Tensor]
"""Maps a mask ``(1, 1, h, w)`` to the similarity of all cells to the masked cells."""


def edit_on(colorizer: Colorizer, lightness: Tensor, recipe: Recipe = Recipe()) -> Edit:  # noqa: B008
    """Return the edit for a lightness ``(1, 1, h, w)`` and a recipe in pixels of the lightness."""
    size = recipe.width or int(lightness.shape[3]), recipe.height or int(lightness.shape[2])
    return colorizer.resolve_lightness(lightness, size, recipe)


Results = MutableMapping[Hashable, Any]


def color_again(colorizer: Colorizer, image: RasterImage, recipe: Recipe, results: Results) -> ColorizedImage:
    """Colorize an image; reuse the results of earlier recipes for this image, like the drawing pad."""
    return colorize_edit(replace(colorizer.resolve(image, recipe), cache=results))


def overlays_of(
    recipe: Recipe,
    image_size: tuple[int, int],
    size: Sequence[int],
    locked: Tensor | None = None,
    *,
    on_paper: bool = False,
) -> list[Overlay]:
    """Return the changes of a recipe at full size, with unlimited paint strokes.

    Args:
        recipe: Recipe in pixels of the image.
        image_size: Width and height of the image.
        size: Height and width of the result.
        locked: Mask ``(h, w)`` of locked colors.
        on_paper: Whether the image is a drawing.
    """
    edit: Any = SimpleNamespace(recipe=recipe, image_size=image_size)
    canvas: Any = SimpleNamespace(edit=edit, locked=locked, is_drawing=on_paper, strength=recipe.strength)
    paint = [replace(layer, reaches=(None,) * len(layer.strokes)) for layer in Paint.of(edit)]
    layers = (*Replacements.of(edit), *paint, *Adjustment.of(edit))
    return [layer.overlay(canvas, (int(size[0]), int(size[1]))) for layer in layers]


def find_extent(
    lightness: Tensor,
    hints: Sequence[PointHint],
    image_size: tuple[int, int],
    similarity: Likeness | None = None,
) -> Extent:
    """Return the reach of points on a lightness ``(1, 1, h, w)``."""
    size = int(lightness.shape[2]), int(lightness.shape[3])
    groups: dict[Reach, list[int]] = {}
    for number, hint in enumerate(hints):
        groups.setdefault(hint.reach, []).append(number)
    patches = PointPatches.of(hints, image_size)
    parts = [PointPatches.of([hints[n] for n in numbers], image_size) for numbers in groups.values()]
    costs = step_costs(lightness)
    paths = [find_paths(costs, part) for part in parts]
    alike = [similarity and similarity(mask_of(part, size)) for part in parts]
    return limit_extent(paths, alike, patches=patches, groups=groups, size=size)


def mask_of(patches: PointPatches, size: tuple[int, int]) -> Tensor:
    """Return the mask ``(1, 1, h, w)`` of the pixels that points cover."""
    return torch.from_numpy(patches.numbers(size) >= 0)[None, None].float()


def paths_of(lightness: Tensor, hints: Sequence[PointHint], image_size: tuple[int, int]) -> Paths:
    """Return the cheapest paths from points on a lightness ``(1, 1, h, w)``."""
    return find_paths(step_costs(lightness), PointPatches.of(hints, image_size))


def search(
    lightness: Tensor, hint: PointHint, image_size: tuple[int, int], similarity: Likeness | None = None
) -> tuple[Map, Map | None]:
    """Return the path costs from a point, and the similarity of the grid cells to the point."""
    costs = paths_of(lightness, [hint], image_size).costs
    size = int(lightness.shape[2]), int(lightness.shape[3])
    mask = mask_of(PointPatches.of([hint], image_size), size)
    return costs, on_grid(similarity and similarity(mask), costs)
