"""Areas of recipes in the answers of a model: colored, locked, and objects of their own.

An object area (the action ``"thing"``) becomes a box for models that color objects by themselves (Su et al.
2020), whose effect is restricted to the area with its soft edges, and a stroke along its border for models
that keep colors from crossing edges (Kim et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.color import at_lightness, rgb_to_lab
from colorzoo.guidance import Area, Boxes, Guidance, PointHint, Points, Recipe, Scribbles
from colorzoo.guidance.rasterize import color_lab, covered, rasterize_points
from colorzoo.inference.answer import NetworkAnswer
from colorzoo.inference.area_maps import (
    DrawnArea,
    LightnessShift,
    decode_locked_colors,
    draw_areas,
    locked_share,
)
from colorzoo.inference.guidance_maps import DrawnGuidance, fit_points
from colorzoo.inference.points import Likeness, Map, enforce_points, find_extent
from colorzoo.networks.answers import AnswerCache
from colorzoo.prediction import Prediction, RgbPrediction

Predict = Callable[[Tensor, Guidance], Prediction]

_FILL = 0.6  # share of the chosen color itself; the rest is the network's answer to it
_HALF = 0.5
_SEEDS = 8  # places of an area at which the network is given its color
_SEED_RADIUS = 2  # pixels of the network
_APART = 0.5  # weight of the distance from other seeds against that from a border
_LEAST_ROOM = 1.0
_LIGHTNESSES = 201  # at which a color is computed; between them linear interpolation is exact enough
_STROKE = 5  # pixels of the network across a border, in the middle of the widths of training


class AreaColorizer:
    """Applies the areas of recipes to the answers of one model.

    Args:
        accepts: Kinds of guidance that the model accepts.
        predict: Runs it on a lightness ``(1, 1, h, w)`` and guidance of the same size.
        without_colors: Removes from guidance the colors that are neither points nor scribbles.
        likeness: Returns the model's likeness of places of a lightness; see `find_extent`.
    """

    def __init__(
        self,
        accepts: Collection[str],
        predict: Predict,
        without_colors: Callable[[Guidance, Tensor], Guidance],
        likeness: Callable[[Tensor], Likeness | None],
    ) -> None:
        self._accepts, self._predict, self._without_colors = accepts, predict, without_colors
        self._likeness = likeness
        self._seeded_answers: AnswerCache[Tensor] = AnswerCache()
        self._own_answers: AnswerCache[Tensor] = AnswerCache()

    def apply(
        self, answer: NetworkAnswer, lightness: Tensor, guidance: Guidance, drawn: DrawnGuidance
    ) -> NetworkAnswer:
        """Apply the areas and the strength of a recipe.

        Args:
            answer: The answer without areas and strength.
            lightness: ``(1, 1, h, w)`` of the picture, at the network's size.
            guidance: Guidance of that answer.
            drawn: Guidance drawn from a recipe.

        Raises:
            GuidanceError: Locked colors cannot be read.
        """
        recipe, picture_size = _recipe_of(drawn)
        areas = draw_areas(recipe.areas, picture_size, lightness)
        filled = [each for each in areas if each.area.action == "color"]
        ab, painted, shift = answer.ab, answer.painted_lightness, None
        if painted is None:
            shift = _lightness_shift(filled, lightness)
        if filled:
            shown = painted
            if shown is None:
                shown = lightness if shift is None else shift.apply(lightness)
            ab = self._fill(ab, shown[0, 0], filled, lightness, guidance, drawn)
        scale = torch.tensor([1.0, drawn.strength, drawn.strength]).view(3, 1, 1)
        lab = torch.cat([torch.zeros_like(lightness[0]) if painted is None else painted[0], ab]) * scale
        locked = torch.zeros(lab.shape[1:])
        for area, share in _locks(areas):
            if area is None:
                lab = torch.cat([lab[:1], lab[1:] * (1 - share)])
            else:
                size = (int(lab.shape[1]), int(lab.shape[2]))
                stored = None if area.kept is None else decode_locked_colors(area.kept, size)
                colors = self._own_lab(lightness, guidance) * scale if stored is None else stored
                lab = lab + share * (colors - lab)
            locked = torch.maximum(locked, share)
        painted = None if painted is None else lab[None, :1]
        return replace(answer, ab=lab[1:], painted_lightness=painted, lightness_shift=shift, locked=locked)

    def _fill(
        self,
        ab: Tensor,
        shown: Tensor,
        filled: Sequence[DrawnArea],
        lightness: Tensor,
        guidance: Guidance,
        drawn: DrawnGuidance,
    ) -> Tensor:
        """Fill areas with their colors at the lightness ``(h, w)`` shown, later ones over earlier ones.

        A share of the fill is the network's answer to the colors, given as points, unless the lightness
        follows the color: the network saw another lightness.
        """
        recipe, picture_size = _recipe_of(drawn)
        seeded = None
        if "points" in self._accepts:
            points = _area_points(
                filled, recipe, picture_size, (int(lightness.shape[2]), int(lightness.shape[3]))
            )

            def compute(lightness: Tensor, guidance: Guidance) -> Tensor:
                assert guidance.points is not None
                return enforce_points(self._predict(lightness, guidance).to_ab(), lightness, guidance.points)

            seeds = fit_points(replace(guidance, points=points), lightness)
            seeded = self._seeded_answers.get(lightness, seeds, compute)[0]
        precedence = _reach_inside(filled, recipe, lightness, picture_size, self._likeness(lightness))
        for each in filled:
            inside = ab_at_lightness(cast(str, each.area.color), shown)
            if seeded is not None and each.area.lightness == "photo":
                inside = _FILL * inside + (1 - _FILL) * seeded
            ab = ab + each.share * (1 - precedence) * (inside - ab)
        return ab

    def _own_lab(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return the model's own Lab ``(3, h, w)`` without hints; L is 0 if it does not paint it."""

        def compute(lightness: Tensor, guidance: Guidance) -> Tensor:
            prediction = self._predict(lightness, guidance)
            if isinstance(prediction, RgbPrediction):
                return rgb_to_lab(prediction.rgb)
            return torch.cat([torch.zeros_like(lightness), prediction.to_ab()], dim=1)

        plain = self._without_colors(replace(guidance, points=None, scribbles=None), lightness)
        return self._own_answers.get(lightness, plain, compute)[0]


def _recipe_of(drawn: DrawnGuidance) -> tuple[Recipe, tuple[int, int]]:
    assert drawn.recipe is not None
    assert drawn.picture_size is not None
    return drawn.recipe, drawn.picture_size


def _lightness_shift(drawn: Sequence[DrawnArea], lightness: Tensor) -> LightnessShift | None:
    """Return the shift of the lightness ``(1, 1, h, w)`` by colored areas; None if it stays.

    The median of an area becomes the lightness of its color; differences inside it stay.
    """
    parts = []
    for each in drawn:
        inside = each.share > _HALF
        if each.area.lightness == "color" and inside.any():
            middle = lightness[0, 0][inside].median()
            parts.append((each.matte, float(color_lab(cast(str, each.area.color))[0] - middle)))
    return LightnessShift(tuple(parts)) if parts else None


def _area_points(
    drawn: Sequence[DrawnArea], recipe: Recipe, picture_size: tuple[int, int], size: tuple[int, int]
) -> Points:
    """Return points at the network's size: seeds of the colors of areas, and the points that count there.

    Those are the points of unlimited reach and the ones inside the areas, unless their strength is below 1.
    """
    full = [point for point in recipe.points if point.strength == 1]
    kept = tuple(p for p in full if p.reach == "everywhere" or _is_inside(p, drawn, picture_size))
    points = rasterize_points(Recipe(points=kept), *picture_size, size)
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


def _seeds(share: Map, taken: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield squares inside an area, far from its border, from points and from each other."""
    inside = np.pad((share > _HALF).astype(np.uint8), 1)
    room = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    away = np.full(room.shape, np.inf, np.float32)
    if taken.any():
        away = cv2.distanceTransform((~taken).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.indices(room.shape, dtype=np.float32)
    for _ in range(_SEEDS):
        score = np.minimum(room, _APART * away)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        if score[row, column] < _LEAST_ROOM:
            return
        side = min(_SEED_RADIUS, int(room[row, column]) - 1)
        yield slice(max(row - side, 0), row + side + 1), slice(max(column - side, 0), column + side + 1)
        away = np.minimum(away, np.hypot(rows - row, columns - column))


def _is_inside(point: PointHint, drawn: Sequence[DrawnArea], picture_size: tuple[int, int]) -> bool:
    """Check whether a point lies in one of the areas."""
    if not drawn:
        return False
    rows, columns = drawn[0].share.shape
    row = covered(point.y, 0, rows / picture_size[1], rows)
    column = covered(point.x, 0, columns / picture_size[0], columns)
    return any(bool((each.share[row, column] > _HALF).any()) for each in drawn)


def _reach_inside(
    drawn: Sequence[DrawnArea],
    recipe: Recipe,
    lightness: Tensor,
    picture_size: tuple[int, int],
    likeness: Likeness | None,
) -> Tensor:
    """Return the reach ``(h, w)`` of points inside colored areas, where they take precedence, by strength."""
    inside = [
        replace(point, reach="automatic" if point.reach == "everywhere" else point.reach)
        for point in recipe.points
        if _is_inside(point, drawn, picture_size)
    ]
    if not inside:
        return torch.zeros(lightness.shape[2:])
    extent = find_extent(lightness, inside, picture_size, likeness)
    strengths = torch.tensor([point.strength for point in inside])
    there = extent.weight * strengths[extent.nearest]
    return torch.where(extent.homes >= 0, strengths[extent.homes], there)


def ab_at_lightness(color: str, lightness: Tensor) -> Tensor:
    """Return ab ``(2, h, w)`` of ``#rrggbb`` at the lightness ``(h, w)``."""
    table = _ab_table(color)
    place = lightness.clamp(0, 100) * ((_LIGHTNESSES - 1) / 100)
    below = place.floor().clamp(max=_LIGHTNESSES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


@lru_cache(maxsize=64)
def _ab_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color at lightnesses from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _LIGHTNESSES)
    return at_lightness(lab, torch.linspace(0, 100, _LIGHTNESSES).view(1, 1, -1))[1:, 0]


def _locks(drawn: Sequence[DrawnArea]) -> Iterator[tuple[Area | None, Tensor]]:
    """Yield areas and their locked shares, the strongest last: gray (no area), ``only``, then each lock."""
    for each in drawn:
        if each.area.action == "gray":
            yield None, each.share
    only = [each for each in drawn if each.area.action == "only"]
    if only:
        stored = [each.area for each in only if each.area.kept is not None]
        yield stored[-1] if stored else only[-1].area, locked_share(only, "only")
    for each in drawn:
        if each.area.action == "lock":
            yield each.area, locked_share([each], "lock")


@dataclass(frozen=True)
class AreaBoxes(Boxes):
    """Boxes of a picture, some of them around object areas.

    Attributes:
        plain: The boxes that are around no area.
        share: ``(B, 1, H, W)`` in [0, 1], where the others take effect.
    """

    plain: Boxes
    share: Tensor


def add_object_areas(
    guidance: Guidance, drawn: DrawnGuidance, accepts: Collection[str], lightness: Tensor
) -> Guidance:
    """Add boxes and strokes of object areas, if a model accepts them.

    Args:
        guidance: Guidance drawn so far.
        drawn: Guidance drawn from a recipe, with or without object areas.
        accepts: Kinds of guidance that the model accepts.
        lightness: ``(1, 1, h, w)`` in [0, 100] of the picture, at the network's size.
    """
    recipe, picture_size = _recipe_of(drawn)
    objects = [area for area in recipe.areas if area.action == "thing"]
    if not objects:
        return guidance
    things = draw_areas(objects, picture_size, lightness)
    if "boxes" in accepts:
        guidance = replace(guidance, boxes=_with_boxes(guidance.boxes, things))
    if "scribbles" in accepts:
        guidance = replace(guidance, scribbles=_with_borders(guidance.scribbles, things))
    return guidance


def restrict_to_areas(colors: Tensor, plain: Tensor, boxes: AreaBoxes) -> Tensor:
    """Restrict the effect of boxes around areas to the areas.

    Args:
        colors: ``(1, 2, h, w)``, predicted with all boxes.
        plain: The same, predicted without those around areas.
        boxes: All of them.
    """
    return plain + boxes.share * (colors - plain)


def _with_boxes(boxes: Boxes | None, drawn: Sequence[DrawnArea]) -> Boxes:
    """Add the boxes around areas; a model that detects objects takes these alone."""
    plain = boxes or Boxes.of([torch.empty(0, 4)])
    around = [_bounding_box(each.share > _HALF) for each in drawn]
    every = Boxes.of([torch.cat([plain.corners[0][plain.given[0] > 0], *around])])
    share = torch.stack([each.share for each in drawn]).amax(dim=0)
    return AreaBoxes(every.corners, every.given, plain, share[None, None])


def _bounding_box(inside: Tensor) -> Tensor:
    """Return the bounding box ``(1, 4)`` of a mask ``(h, w)`` in shares of its size; ``(0, 4)`` if empty."""
    if not inside.any():
        return torch.empty(0, 4)
    height, width = inside.shape
    rows, columns = inside.any(dim=1).nonzero(), inside.any(dim=0).nonzero()
    corners = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dim=1)
    return corners / torch.tensor([width, height, width, height])


def _with_borders(scribbles: Scribbles | None, drawn: Sequence[DrawnArea]) -> Scribbles:
    """Add strokes along the borders of areas, except along the border of the picture."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_STROKE, _STROKE))
    insides = [np.asarray(each.share > _HALF).astype(np.uint8) for each in drawn]
    borders = np.max([cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, kernel) for inside in insides], axis=0)
    mask = torch.from_numpy(borders).float()[None, None]
    return Scribbles(mask if scribbles is None else torch.maximum(mask, scribbles.mask))
