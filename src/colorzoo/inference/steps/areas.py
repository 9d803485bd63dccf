"""Areas of recipes: filled with a color, locked, or passed to the model as objects.

An object area (action ``"thing"``) becomes a box for models that color objects separately (Su et al. 2020),
with an effect restricted to the soft mask of the area. For models that reduce color bleeding (Kim et al.
2021) it becomes a stroke along its boundary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Area, Boxes, Guidance, PointHint, Points, Scribbles
from colorzoo.guidance.rasterize import color_lab, covered, rasterize_points
from colorzoo.inference.steps.area_masks import (
    DrawnArea,
    LightnessShift,
    decode_locked_colors,
    locked_share,
)
from colorzoo.inference.steps.colors import Colors
from colorzoo.inference.steps.lightness import ab_at_lightness
from colorzoo.inference.steps.reach import Extent, Map
from colorzoo.prediction import Prediction, RgbPrediction

_HALF = 0.5


@dataclass(frozen=True)
class AreaConstants:
    """Constants of areas.

    Attributes:
        fill: Weight of the chosen color; the rest is the prediction for that color.
        seeds: Number of points that pass the color of an area to the network.
        seed_radius: Half the side of these points in network pixels.
        apart: Weight of the distance to other seeds relative to the distance to the boundary.
        least_room: Minimum of this weighted distance.
        stroke: Width of boundary strokes in network pixels, the middle of the training range.
    """

    fill: float = 0.6
    seeds: int = 8
    seed_radius: int = 2
    apart: float = 0.5
    least_room: float = 1.0
    stroke: int = 5


AREAS = AreaConstants()


def plant_seeds(
    drawn: Sequence[DrawnArea], *, hints: tuple[PointHint, ...], image_size: tuple[int, int]
) -> Points:
    """Draw the colors of areas as points for the network.

    Points of unlimited reach and points inside the areas are drawn too.

    Args:
        drawn: The colored areas.
        hints: The points of the recipe of full strength.
        image_size: Width and height of the image.
    """
    inside = points_inside(hints, drawn, image_size)
    kept = tuple(hint for hint in hints if hint.reach == "everywhere" or hint in inside)
    size = int(drawn[0].share.shape[0]), int(drawn[0].share.shape[1])
    points = rasterize_points(kept, *image_size, size)
    if points is None:
        points = Points(*(torch.zeros(1, channels, *size) for channels in (2, 1, 1, 1)))
    assert points.lightness is not None
    assert points.exact is not None
    ab, mask, lightness, exact = points.ab, points.mask, points.lightness, points.exact
    for number, each in enumerate(drawn):
        free = torch.ones(size)
        for later in drawn[number + 1 :]:
            free = free * (1 - later.share)
        chosen = torch.tensor(color_lab(cast(str, each.area.color)))
        for rows, columns in _seeds(np.asarray(each.share * free), np.asarray(mask[0, 0] > 0)):
            ab[:, :, rows, columns] = chosen[1:].view(1, 2, 1, 1)
            lightness[:, :, rows, columns] = chosen[0]
            mask[:, :, rows, columns], exact[:, :, rows, columns] = 1, 0
    return Points(ab, mask, lightness, exact)


def fill_areas(
    colors: Colors,
    lightness: Tensor,
    drawn: Sequence[DrawnArea],
    seeded: Tensor | None,
    extent: Extent | None,
    *,
    strengths: tuple[float, ...],
) -> Colors:
    """Fill areas with their colors; later areas cover earlier areas.

    The fill is blended with the prediction for these colors, except where the lightness follows the color,
    because the prediction was computed for another lightness.

    Args:
        colors: The colors so far.
        lightness: ``(1, 1, h, w)`` of the image.
        drawn: The colored areas.
        seeded: ``(1, 2, h, w)``, the prediction for `plant_seeds`; None if the model does not support points.
        extent: Reach of the points inside the areas, which take precedence there; None without any.
        strengths: Strength of each of these points.
    """
    shift = None if colors.lightness is not None else _lightness_shift(drawn, lightness)
    shown = colors.lightness
    if shown is None:
        shown = lightness if shift is None else shift.apply(lightness)
    ab, precedence = colors.ab, torch.zeros(colors.ab.shape[2:])
    if extent is not None:
        strength = torch.tensor(strengths)
        there = extent.weight * strength[extent.nearest]
        precedence = torch.where(extent.homes >= 0, strength[extent.homes], there)
    for each in drawn:
        inside = ab_at_lightness(cast(str, each.area.color), shown[0, 0])
        if seeded is not None and each.area.lightness == "photo":
            inside = AREAS.fill * inside + (1 - AREAS.fill) * seeded[0]
        ab = ab + each.area.opacity * each.share * (1 - precedence) * (inside - ab)
    return replace(colors, ab=ab, shift=shift)


def lock_areas(
    colors: Colors, drawn: Sequence[DrawnArea], own: Prediction | None, *, strength: float
) -> Colors:
    """Lock the colors of areas: gray, recorded, or predicted without hints.

    Args:
        colors: The colors so far.
        drawn: All areas that keep their colors.
        own: Prediction without hints; None if no area needs it.
        strength: Factor on the chroma, which also applies to the prediction without hints.

    Raises:
        GuidanceError: Recorded colors cannot be read.
    """
    painted = torch.zeros_like(colors.ab[:, :1]) if colors.lightness is None else colors.lightness
    lab = torch.cat([painted, colors.ab], dim=1)[0]
    locked, size = torch.zeros(lab.shape[1:]), (int(lab.shape[1]), int(lab.shape[2]))
    for area, share in _locks(drawn):
        if area is None:
            lab = torch.cat([lab[:1], lab[1:] * (1 - share)])
        else:
            stored = None if area.kept is None else decode_locked_colors(area.kept, size)
            kept = _own_lab(own, strength) if stored is None else stored
            lab = lab + share * (kept - lab)
        locked = torch.maximum(locked, share)
    shown = None if colors.lightness is None else lab[None, :1]
    return replace(colors, ab=lab[None, 1:], lightness=shown, locked=locked)


def _own_lab(own: Prediction | None, strength: float) -> Tensor:
    """Return Lab ``(3, h, w)`` of a prediction without hints; L is 0 if the model does not paint it."""
    assert own is not None
    if isinstance(own, RgbPrediction):
        found = rgb_to_lab(own.rgb)
    else:
        found = torch.cat([torch.zeros_like(own.colors[:, :1]), own.to_ab()], dim=1)
    return found[0] * torch.tensor([1.0, strength, strength]).view(3, 1, 1)


def boxes_of_areas(guidance: Guidance, drawn: Sequence[DrawnArea]) -> Guidance:
    """Add boxes around object areas; they replace the detections of a model."""
    plain = guidance.boxes or Boxes.of([torch.empty(0, 4)])
    around = [_bounding_box(each.share > _HALF) for each in drawn]
    every = Boxes.of([torch.cat([plain.corners[0][plain.given[0] > 0], *around])])
    return replace(guidance, boxes=every)


def strokes_of_areas(strokes: Scribbles | None, drawn: Sequence[DrawnArea]) -> Scribbles:
    """Add strokes along the boundaries of object areas, except at the image border."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (AREAS.stroke, AREAS.stroke))
    insides = [np.asarray(each.share > _HALF).astype(np.uint8) for each in drawn]
    borders = np.max([cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, kernel) for inside in insides], axis=0)
    mask = torch.from_numpy(borders).float()[None, None]
    return Scribbles(mask if strokes is None else torch.maximum(mask, strokes.mask))


def restrict_to_areas(boxed: Prediction, plain: Prediction, drawn: Sequence[DrawnArea]) -> Prediction:
    """Restrict the effect of boxes around areas to the areas."""
    share = torch.stack([each.area.opacity * each.share for each in drawn]).amax(dim=0)[None, None]
    return boxed.with_colors(plain.colors + share * (boxed.colors - plain.colors))


def _lightness_shift(drawn: Sequence[DrawnArea], lightness: Tensor) -> LightnessShift | None:
    """Return the shift of the lightness ``(1, 1, h, w)`` by colored areas; None without a shift.

    The median of an area becomes the lightness of its color; differences inside it stay.
    """
    parts = []
    for each in drawn:
        inside = each.share > _HALF
        if each.area.lightness == "color" and inside.any():
            middle = lightness[0, 0][inside].median()
            units = float(color_lab(cast(str, each.area.color))[0] - middle)
            parts.append((each.matte, each.area.opacity * units))
    return LightnessShift(tuple(parts)) if parts else None


def _seeds(share: Map, taken: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield squares inside an area, far from its border, from points and from each other."""
    inside = np.pad((share > _HALF).astype(np.uint8), 1)
    room = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    away = np.full(room.shape, np.inf, np.float32)
    if taken.any():
        away = cv2.distanceTransform((~taken).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.indices(room.shape, dtype=np.float32)
    for _ in range(AREAS.seeds):
        score = np.minimum(room, AREAS.apart * away)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        if score[row, column] < AREAS.least_room:
            return
        side = min(AREAS.seed_radius, int(room[row, column]) - 1)
        yield slice(max(row - side, 0), row + side + 1), slice(max(column - side, 0), column + side + 1)
        away = np.minimum(away, np.hypot(rows - row, columns - column))


def points_inside(
    hints: Sequence[PointHint], drawn: Sequence[DrawnArea], image_size: tuple[int, int]
) -> list[PointHint]:
    """Return the points that lie in one of the areas."""
    rows, columns = drawn[0].share.shape

    def is_inside(hint: PointHint) -> bool:
        row = covered(hint.y, 0, rows / image_size[1], rows)
        column = covered(hint.x, 0, columns / image_size[0], columns)
        return any(bool((each.share[row, column] > _HALF).any()) for each in drawn)

    return [hint for hint in hints if is_inside(hint)]


def _locks(drawn: Sequence[DrawnArea]) -> Iterator[tuple[Area | None, Tensor]]:
    """Yield areas and their lock masks by increasing priority: gray (no area), ``only``, then each lock."""
    for each in drawn:
        if each.area.action == "gray":
            yield None, each.area.opacity * each.share
    only = [each for each in drawn if each.area.action == "only"]
    if only:
        stored = [each.area for each in only if each.area.kept is not None]
        opacity = max(each.area.opacity for each in only)
        yield stored[-1] if stored else only[-1].area, opacity * locked_share(only, "only")
    for each in drawn:
        if each.area.action == "lock":
            yield each.area, each.area.opacity * locked_share([each], "lock")


def _bounding_box(inside: Tensor) -> Tensor:
    """Return the bounding box ``(1, 4)`` of a mask ``(h, w)`` in shares of its size; ``(0, 4)`` if empty."""
    if not inside.any():
        return torch.empty(0, 4)
    height, width = inside.shape
    rows, columns = inside.any(dim=1).nonzero(), inside.any(dim=0).nonzero()
    corners = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dim=1)
    return corners / torch.tensor([width, height, width, height])
