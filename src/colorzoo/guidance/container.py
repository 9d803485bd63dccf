"""`Guidance`: everything a user gives with one batch of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.guidance.kinds import (
    Boxes,
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Points,
    Regions,
    Scribbles,
    TensorFields,
)
from colorzoo.guidance.rasterize import boxes_of, points_to_hints, rasterize_points, rasterize_scribbles
from colorzoo.guidance.recipe import Recipe


@dataclass(frozen=True)
class Guidance(TensorFields):
    """Any mix of guidance kinds; what is None was not given.

    Attributes:
        points: Colors at some pixels.
        scribbles: Strokes without color along bleeding edges.
        regions: Colors of the regions that a model asked for.
        exemplar: A picture whose colors to use.
        statistics: Color histogram or saturation of the whole picture.
        classes: A class per pixel.
        boxes: Where the things of the picture are.
    """

    points: Points | None = None
    scribbles: Scribbles | None = None
    regions: Regions | None = None
    exemplar: Exemplar | None = None
    statistics: GlobalStatistics | None = None
    classes: ClassMap | None = None
    boxes: Boxes | None = None

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds that were given."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)

    @classmethod
    def from_recipe(
        cls, recipe: Recipe, width: int, height: int, size: tuple[int, int] | None = None
    ) -> Guidance:
        """Draw a recipe as tensors.

        Args:
            recipe: Points, scribbles and boxes are drawn; the other kinds need a model or files and are added
                by those who have them.
            width: Width of the original picture in pixels.
            height: Its height.
            size: Height and width of the maps; by default those of the picture.

        Raises:
            GuidanceError: The recipe does not belong to a picture of this size.
        """
        recipe.check_inside(width, height)
        target = size or (height, width)
        return cls(
            points=rasterize_points(recipe, width, height, target),
            scribbles=rasterize_scribbles(recipe, width, height, target),
            boxes=boxes_of(recipe, width, height),
        )

    @classmethod
    def from_json(
        cls, source: str | Path | Mapping[str, Any], size: tuple[int, int] | None = None
    ) -> Guidance:
        """Read a recipe (see `Recipe.from_json`) and draw it at the size of its picture, or at ``size``.

        Raises:
            GuidanceError: No recipe, or one without ``image.width`` and ``image.height``.
        """
        recipe = Recipe.from_json(source)
        if recipe.width is None or recipe.height is None:
            raise GuidanceError("recipe.image needs width and height to be drawn without its picture.")
        return cls.from_recipe(recipe, recipe.width, recipe.height, size)

    def to_json(self, path: str | Path | None = None) -> str:
        """Describe the points of a batch of one as a recipe; `from_json` gives back the same tensors.

        Raises:
            GuidanceError: A batch of several pictures, or no points.
        """
        if self.points is None or len(self.points.mask) != 1:
            raise GuidanceError("Guidance.to_json needs the points of exactly one picture.")
        height, width = self.points.mask.shape[-2:]
        recipe = Recipe(width=width, height=height, points=tuple(points_to_hints(self.points)))
        return recipe.to_json(path)
