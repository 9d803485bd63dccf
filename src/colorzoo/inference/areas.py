"""What the areas of a recipe do to an answer, at the size at which the network sees the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.color import at_lightness
from colorzoo.guidance import Area, PointHint, Points, Recipe
from colorzoo.guidance.rasterize import color_lab, covered, rasterize_points
from colorzoo.inference.kept import kept_lab
from colorzoo.inference.mattes import Map, Matte, area_map, fit_matte
from colorzoo.inference.reach import find_extent

FILL = 0.6  # share of the chosen color itself; the rest is the network's answer to it
_SEEDS = 8  # places of an area at which the network is told its color
_SEED = 2  # pixels of the network from the middle of such a place to its side
_APART = 0.5  # pixels from a border count twice as much as those from another seed
_LEAST_ROOM = 1.0
_HALF = 0.5
_SHADES = 201  # lightnesses at which a color is computed; between them lines are exact enough

OwnAnswer = Callable[[], Tensor]
"""Returns the model's own Lab ``(3, h, w)``, the one without hints; L is 0 if it does not paint it."""


@dataclass(frozen=True)
class DrawnArea:
    """An area on a small copy of its picture.

    Attributes:
        area: As the recipe has it.
        matte: Its soft mask.
        share: The same under the lightness of the copy, ``(h, w)``.
    """

    area: Area
    matte: Matte
    share: Tensor


@dataclass(frozen=True)
class LumaShift:
    """How far areas whose lightness follows their colors move it.

    Attributes:
        parts: Soft masks and the units of L to be added there.
    """

    parts: tuple[tuple[Matte, float], ...] = ()

    def on(self, luma: Tensor) -> Tensor:
        """Return a lightness ``(1, 1, H, W)`` of any size, moved."""
        if not self.parts:
            return luma
        rows = self.enlarged((luma.shape[2], luma.shape[3]))
        return rows(luma[0, 0], 0, luma.shape[2])[None, None]

    def enlarged(self, size: tuple[int, int]) -> Callable[[Tensor, int, int], Tensor]:
        """Return what moves the rows ``(rows, W)`` of a picture of this height and width; see `Matte`."""
        shares = [(matte.enlarged(size), units) for matte, units in self.parts]

        def move(luma: Tensor, first: int, last: int) -> Tensor:
            moved = luma
            for share, units in shares:
                moved = moved + units * share(luma, first, last)
            return moved.clamp(0, 100)

        return move


def draw_areas(areas: Sequence[Area], whole: tuple[int, int], luma: Tensor) -> tuple[DrawnArea, ...]:
    """Draw areas on a small copy of their picture.

    Args:
        areas: Of a recipe.
        whole: Width and height of the picture.
        luma: ``(1, 1, h, w)`` in [0, 100] of the copy.
    """

    def draw(area: Area) -> DrawnArea:
        matte = fit_matte(area_map(area, whole, (int(luma.shape[2]), int(luma.shape[3]))), luma)
        return DrawnArea(area, matte, matte.at(luma[0, 0]))

    return tuple(draw(area) for area in areas)


def colored(drawn: Sequence[DrawnArea]) -> tuple[DrawnArea, ...]:
    """Return the areas that a color fills."""
    return tuple(each for each in drawn if each.area.action == "color")


def luma_shift(drawn: Sequence[DrawnArea], luma: Tensor) -> LumaShift:
    """Return how the lightness ``(1, 1, h, w)`` follows the colors of areas that want it.

    The middle of an area gets the lightness of its color, and what is lighter or darker in it stays so.
    """
    parts = []
    for each in colored(drawn):
        inside = each.share > _HALF
        if each.area.lightness == "color" and inside.any():
            middle = luma[0, 0][inside].median()
            parts.append((each.matte, float(color_lab(cast(str, each.area.color))[0] - middle)))
    return LumaShift(tuple(parts))


def area_points(
    drawn: Sequence[DrawnArea], recipe: Recipe, whole: tuple[int, int], size: tuple[int, int]
) -> Points:
    """Return the points that tell a network the colors of areas, at its size.

    These are a few places in each area, the points that go everywhere, and those inside the areas.

    Args:
        drawn: Areas that a color fills.
        recipe: Theirs.
        whole: Width and height of the picture.
        size: Height and width at which the network sees it.
    """
    kept = tuple(p for p in recipe.points if p.reach == "everywhere" or is_inside(p, drawn, whole))
    points = rasterize_points(Recipe(points=kept), *whole, size)
    if points is None:
        points = Points(*(torch.zeros(1, channels, *size) for channels in (2, 1, 1, 1)))
    assert points.luma is not None
    assert points.exact is not None
    ab, mask, luma, exact = points.ab, points.mask, points.luma, points.exact
    free = torch.ones(size)
    for number, each in enumerate(drawn):
        for later in drawn[number + 1 :]:
            free = free * (1 - later.share)
        chosen = torch.tensor(color_lab(cast(str, each.area.color)))
        for rows, columns in _seeds(np.asarray(each.share * free), np.asarray(mask[0, 0] > 0)):
            ab[:, :, rows, columns] = chosen[1:].view(1, 2, 1, 1)
            luma[:, :, rows, columns] = chosen[0]
            mask[:, :, rows, columns], exact[:, :, rows, columns] = 1, 0
        free = torch.ones(size)
    return Points(ab, mask, luma, exact)


def is_inside(point: PointHint, drawn: Sequence[DrawnArea], whole: tuple[int, int]) -> bool:
    """Say whether a point lies in one of the areas."""
    if not drawn:
        return False
    rows, columns = drawn[0].share.shape
    row = covered(point.y, 0, rows / whole[1], rows)
    column = covered(point.x, 0, columns / whole[0], columns)
    return any(bool((each.share[row, column] > _HALF).any()) for each in drawn)


def fill_areas(
    ab: Tensor, answer: Tensor | None, drawn: Sequence[DrawnArea], luma: Tensor, points: Tensor
) -> Tensor:
    """Fill areas with their colors, later ones over earlier ones.

    Args:
        ab: ``(2, h, w)``, the answer without areas.
        answer: ``(2, h, w)``, that to the points of `area_points`, or None of a model that takes none. Where
            the lightness follows the color it does not count, since the model saw another lightness.
        drawn: Areas that a color fills.
        luma: ``(h, w)`` of the result.
        points: ``(h, w)`` in [0, 1], where points inside the areas have the last word.
    """
    mixed = ab
    for each in drawn:
        inside = shade(cast(str, each.area.color), luma)
        if answer is not None and each.area.lightness == "photo":
            inside = FILL * inside + (1 - FILL) * answer
        mixed = mixed + each.share * (1 - points) * (inside - mixed)
    return mixed


def points_inside(drawn: Sequence[DrawnArea], recipe: Recipe, luma: Tensor, whole: tuple[int, int]) -> Tensor:
    """Return where ``(h, w)`` points inside colored areas have the last word: as far as they reach."""
    inside = [
        replace(point, reach="automatic" if point.reach == "everywhere" else point.reach)
        for point in recipe.points
        if is_inside(point, drawn, whole)
    ]
    if not inside:
        return torch.zeros(luma.shape[2:])
    extent = find_extent(luma, inside, whole)
    return torch.where(extent.homes >= 0, 1.0, extent.weight)


def hold(lab: Tensor, drawn: Sequence[DrawnArea], own: OwnAnswer) -> tuple[Tensor, Tensor]:
    """Keep what areas lock, keep gray or leave outside.

    Args:
        lab: ``(3, h, w)``, the answer; L is 0 if the model does not paint it.
        drawn: All areas.
        own: Called where an area has kept no colors.

    Returns:
        The answer, and ``(h, w)`` in [0, 1]: where it is held.
    """
    held = torch.zeros(lab.shape[1:])
    size = (int(lab.shape[1]), int(lab.shape[2]))
    for what, share in _holds(drawn):
        if what is None:
            lab = torch.cat([lab[:1], lab[1:] * (1 - share)])
        else:
            kept = own() if what.kept is None else kept_lab(what.kept, size)
            lab = lab + share * (kept - lab)
        held = torch.maximum(held, share)
    return lab, held


def keeps(drawn: Sequence[DrawnArea], action: str) -> Tensor:
    """Return what ``(h, w)`` in [0, 1] a lock of these areas keeps, or ``only`` them."""
    union = torch.stack([each.share for each in drawn]).amax(dim=0)
    return _whole(union if action == "lock" else 1 - union)


@lru_cache(maxsize=64)
def _shades(color: str) -> Tensor:
    """Return a and b ``(2, _SHADES)`` of a color at lightnesses from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _SHADES)
    return at_lightness(lab, torch.linspace(0, 100, _SHADES).view(1, 1, -1))[1:, 0]


def shade(color: str, luma: Tensor) -> Tensor:
    """Return a and b ``(2, h, w)`` of ``#rrggbb`` where the lightness is ``(h, w)``."""
    table = _shades(color)
    place = luma.clamp(0, 100) * ((_SHADES - 1) / 100)
    below = place.floor().clamp(max=_SHADES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


def _holds(drawn: Sequence[DrawnArea]) -> Iterator[tuple[Area | None, Tensor]]:
    """Yield what is held, the strongest last: gray (no area), then ``only``, then each lock."""
    for each in drawn:
        if each.area.action == "gray":
            yield None, each.share
    only = [each for each in drawn if each.area.action == "only"]
    if only:
        known = [each.area for each in only if each.area.kept is not None]
        yield known[-1] if known else only[-1].area, keeps(only, "only")
    for each in drawn:
        if each.area.action == "lock":
            yield each.area, keeps([each], "lock")


def _whole(share: Tensor) -> Tensor:
    """Let what belongs to something for the greater part belong to it altogether."""
    return (2 * share).clamp(0, 1)


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
        side = min(_SEED, int(room[row, column]) - 1)
        yield slice(max(row - side, 0), row + side + 1), slice(max(column - side, 0), column + side + 1)
        away = np.minimum(away, np.hypot(rows - row, columns - column))
