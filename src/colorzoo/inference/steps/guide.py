"""Guidance besides points and areas, as the model gets it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance import (
    BoxHint,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Recipe,
    Scribbles,
    Stroke,
)
from colorzoo.guidance.objects import StatisticsHint
from colorzoo.guidance.rasterize import boxes_of, rasterize_scribbles

Size = tuple[int, int]


@dataclass(frozen=True)
class DrawStrokes:
    """The step that draws strokes at the network's size.

    Attributes:
        strokes: Strokes of a recipe.
        picture_size: Width and height of its picture.
    """

    strokes: tuple[Stroke, ...]
    picture_size: Size

    def __call__(self, lightness: Tensor) -> Scribbles | None:
        """Draw them at the size of a lightness ``(1, 1, h, w)``."""
        size = int(lightness.shape[2]), int(lightness.shape[3])
        return rasterize_scribbles(Recipe(scribbles=self.strokes), *self.picture_size, size)

    def __str__(self) -> str:
        return f"{len(self.strokes)} strokes"


@dataclass(frozen=True)
class PlaceBoxes:
    """The step that gathers the boxes of a recipe and what was given as tensors.

    Attributes:
        boxes: Boxes of the recipe; None means unspecified.
        picture_size: Width and height of its picture.
    """

    boxes: tuple[BoxHint, ...] | None
    picture_size: Size

    def __call__(self, lightness: Tensor, tensors: Guidance) -> Guidance:
        """Return the guidance at the size of a lightness ``(1, 1, h, w)``."""
        size = int(lightness.shape[2]), int(lightness.shape[3])
        resized, boxes = resize_maps(tensors, size), boxes_of(Recipe(boxes=self.boxes), *self.picture_size)
        return replace(resized, boxes=boxes or resized.boxes)

    def __str__(self) -> str:
        return "unspecified" if self.boxes is None else f"{len(self.boxes)} boxes"


@dataclass(frozen=True)
class ResizeStrokes:
    """The step that resamples strokes which are given as tensors."""

    def __call__(self, strokes: Scribbles, lightness: Tensor) -> Scribbles | None:
        """Return the strokes at the size of a lightness ``(1, 1, h, w)``."""
        size = int(lightness.shape[2]), int(lightness.shape[3])
        return resize_maps(Guidance(scribbles=strokes), size).scribbles

    def __str__(self) -> str:
        return "to the network's size"


@dataclass(frozen=True)
class ResizePoints:
    """The step that resamples points which are given as tensors."""

    def __call__(self, points: Points, lightness: Tensor) -> Points:
        """See `resize_points`."""
        return resize_points(points, (int(lightness.shape[2]), int(lightness.shape[3])))

    def __str__(self) -> str:
        return "to the network's size"


@dataclass(frozen=True)
class AddGuidance:
    """The step that puts together what the model gets.

    Attributes:
        kinds: Kinds of guidance to add.
    """

    kinds: tuple[str, ...]

    def __call__(self, guidance: Guidance, *values: Any) -> Guidance:
        """Return the guidance with a value for each kind."""
        return replace(guidance, **dict(zip(self.kinds, values, strict=True)))

    def __str__(self) -> str:
        return ", ".join(self.kinds)


@dataclass(frozen=True)
class SetStatistics:
    """The step that makes tensors of the statistics of a recipe.

    Attributes:
        wanted: The statistics.
    """

    wanted: StatisticsHint

    def __call__(self) -> GlobalStatistics:
        """Return the statistics as tensors.

        Raises:
            GuidanceError: The histogram is empty.
        """
        saturation, weights = self.wanted.saturation, self.wanted.histogram
        histogram = None if weights is None else torch.tensor(weights)[None]
        if histogram is not None:
            if not histogram.sum() > 0:
                raise GuidanceError("recipe.statistics.histogram must have a share above 0.")
            histogram = histogram / histogram.sum()
        return GlobalStatistics(histogram, None if saturation is None else torch.tensor([[saturation]]))

    def __str__(self) -> str:
        return "of the recipe"


@dataclass(frozen=True)
class SetShare:
    """The step that sets how far to go towards a reference.

    Attributes:
        alpha: The share, 0 to 1.
    """

    alpha: float

    def __call__(self, exemplar: Exemplar) -> Exemplar:
        """Return the reference with the share."""
        return replace(exemplar, alpha=self.alpha)

    def __str__(self) -> str:
        return f"{self.alpha:g} of the reference"


def resize_points(points: Points, size: Size) -> Points:
    """Resample points to ``size``; a cell takes the mean color of the hinted pixels it covers."""
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    lightness = None if points.lightness is None else mean(points.lightness)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, lightness, exact)


def resize_maps(guidance: Guidance, size: Size) -> Guidance:
    """Resample scribbles, regions and classes to the size ``(h, w)`` of the network; see `resize_points`."""

    def labels(values: Tensor) -> Tensor:
        return F.interpolate(values.double(), size=size, mode="nearest-exact").to(values.dtype)

    scribbles, regions, classes = guidance.scribbles, guidance.regions, guidance.classes
    if scribbles is not None and tuple(scribbles.mask.shape[-2:]) != size:
        share = F.interpolate(scribbles.mask, size=size, mode="area")
        scribbles = Scribbles((share > 0).to(share.dtype))
    if regions is not None and tuple(regions.index.shape[-2:]) != size:
        segments = None if regions.segments is None else labels(regions.segments)
        regions = replace(regions, index=labels(regions.index), segments=segments)
    if classes is not None and tuple(classes.target.shape[-2:]) != size:
        classes = replace(classes, target=labels(classes.target))
    return replace(guidance, scribbles=scribbles, regions=regions, classes=classes)
