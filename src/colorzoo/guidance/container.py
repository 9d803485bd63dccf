"""Container of all hints for one batch of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch.export import register_dataclass

from colorzoo.errors import GuidanceError
from colorzoo.guidance.hints import (
    Boxes,
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Points,
    Regions,
    Scribbles,
    TensorFields,
)
from colorzoo.guidance.rasterize import boxes_of, rasterize_points, rasterize_scribbles
from colorzoo.guidance.recipe import Recipe


@dataclass(frozen=True)
class Guidance(TensorFields):
    """Any combination of hints; a kind of hint is None if it is absent.

    Examples:
        >>> from colorzoo.guidance import PointHint
        >>> recipe = Recipe(width=64, height=48, points=(PointHint(x=20, y=10, color="#c04020"),))
        >>> guidance = Guidance.from_recipe(recipe, width=64, height=48)
        >>> guidance.points.ab.shape
        torch.Size([1, 2, 48, 64])

    Attributes:
        points: Colors of single pixels.
        scribbles: Strokes without color along edges where color bleeds.
        regions: Colors of regions proposed by the model.
        exemplar: A reference image for the colors.
        statistics: Color histogram or mean saturation of the whole image.
        classes: Class of each pixel.
        boxes: Bounding boxes of objects.
    """

    points: Points | None = None
    scribbles: Scribbles | None = None
    regions: Regions | None = None
    exemplar: Exemplar | None = None
    statistics: GlobalStatistics | None = None
    classes: ClassMap | None = None
    boxes: Boxes | None = None

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the hints that are present."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)

    @classmethod
    def from_recipe(
        cls, recipe: Recipe, width: int, height: int, size: tuple[int, int] | None = None
    ) -> Guidance:
        """Rasterize the points, scribbles and boxes of a recipe.

        Other hints are ignored, because they require a model or files.

        Args:
            recipe: Recipe to rasterize.
            width: Width of the original image in pixels.
            height: Height of the original image in pixels.
            size: Height and width of the maps; None uses the size of the image.

        Raises:
            GuidanceError: The recipe belongs to an image of another size.
        """
        recipe.check_inside(width, height)
        target = size or (height, width)
        return cls(
            points=rasterize_points(recipe.points, width, height, target),
            scribbles=rasterize_scribbles(recipe.scribbles, width, height, target),
            boxes=boxes_of(recipe.boxes, width, height),
        )

    @classmethod
    def from_json(
        cls, source: str | Path | Mapping[str, Any], size: tuple[int, int] | None = None
    ) -> Guidance:
        """Read a recipe and rasterize it; see `Recipe.from_json` and `from_recipe`.

        Raises:
            GuidanceError: The input is not a recipe, or ``image.width`` or ``image.height`` is missing.
        """
        recipe = Recipe.from_json(source)
        if recipe.width is None or recipe.height is None:
            raise GuidanceError("recipe.image must contain width and height.")
        return cls.from_recipe(recipe, recipe.width, recipe.height, size)


for _kind in (Boxes, ClassMap, Exemplar, GlobalStatistics, Guidance, Points, Regions, Scribbles):
    register_dataclass(_kind, serialized_type_name=f"colorzoo.{_kind.__name__}")  # inputs of exported graphs
