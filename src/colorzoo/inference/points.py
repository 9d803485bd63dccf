"""Points at the network's size: enforced exactly, and limited to their reach.

A reach is a distance: the cost of the cheapest path from the point, where crossing an edge of the lightness
costs, and the more so the calmer its surroundings are; and, if the model compares places
(`colorzoo.capabilities.ComparesPlaces`), how unlike the point a place is. One search serves all
points of a reach; each place belongs to the nearest of them by its path. The constants were fitted on every
other picture of a sample with true segments; ``python -m benchmarks reach`` measures on the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import reduce_chroma
from colorzoo.guidance import PointHint, Points
from colorzoo.guidance.propagate import Propagator
from colorzoo.guidance.rasterize import covered
from colorzoo.guidance.recipe import MAX_REACH, Reach

Map = NDArray[np.float32]
Likeness = Callable[[Tensor], Tensor]
"""Maps a mask ``(1, 1, h, w)`` of places to how alike all places are to them, in [0, 1] at any size."""

_MOST_CELLS = 64  # along the shorter side of the grid on which differences are propagated
_FADE = 12.0  # cells over which a difference falls to a third without edges

_GRID = 128  # shorter side of the grid on which paths are searched
_STEP = 0.05  # cost of a step without an edge
_CALM = 8.0  # deviation in cells of the surroundings that an edge is compared with
_BORDER, _STEEPNESS = 4.2, 14.0  # root of the cost at which half of the color is left, and how sharply
_UNLIKE = 6.5  # what a place costs that is not at all like the point, beside the root of the path's cost
_BORDER_ALIKE, _STEEPNESS_ALIKE = 8.0, 16.0  # of the sum
_LEAST_REACH, _REACHES = 0.05, 60  # factors that are compared by what they cover
_PROBED, _SMALL = 0.5, 0.035  # a factor, and the share of a picture that it covers less of in a small thing
_RING, _ENCLOSED, _GAP = 24, 2.8, 0.1  # cells around; what leaving there costs at least, but for a gap
_BEGIN = 0.001  # share of a picture to cover to begin with there
_FILL = 0.5  # share of the point's own color where the network follows it in full

_BLEND = 12 / 256  # how far a change spreads on an even surface, as a share of the shorter side
_BLEND_SMALL = 0.3  # the same as a share of the root of the area that a point reaches, which may be less
_BLEND_EDGE = 20.0  # difference in lightness that stops a change as much as that distance does
_LEAST_BLEND = 0.5  # pixels
_BLEND_ROUNDS = 2


@dataclass(frozen=True)
class Extent:
    """Reach of points on a map.

    Attributes:
        weight: ``(h, w)`` in [0, 1], the share of the points' colors.
        nearest: ``(h, w)`` int64, the number of the point that each place belongs to.
        homes: ``(h, w)`` int64, the number of the point that covers a pixel, -1 where none does.
    """

    weight: Tensor
    nearest: Tensor
    homes: Tensor


def enforce_points(ab: Tensor, lightness: Tensor, points: Points) -> Tensor:
    """Move a prediction onto the given colors.

    The difference at the hinted pixels is propagated to their neighborhood, up to edges of the lightness and
    fading with distance, and applied exactly at the hinted pixels.

    Args:
        ab: ``(1, 2, H, W)`` prediction in CIE units.
        lightness: ``(1, 1, H, W)`` in [0, 100].
        points: The hints, same size.

    Returns:
        ``(1, 2, H, W)`` in CIE units.
    """
    if not points.mask.any():
        return ab
    height, width = ab.shape[-2:]
    cell = max(1, min(height, width) // _MOST_CELLS)
    cells = (-(-height // cell), -(-width // cell))
    share = F.adaptive_avg_pool2d(points.mask, cells)
    missing = F.adaptive_avg_pool2d((points.ab - ab) * points.mask, cells) / share.clamp(min=1e-6)
    light = F.adaptive_avg_pool2d(lightness, cells)[0, 0].double().cpu().numpy()
    propagator = _propagator(light.tobytes(), cells)
    field = propagator(missing[0].double().cpu().numpy(), (share[0, 0] > 0).cpu().numpy())
    difference = torch.from_numpy(field)[None].to(ab)
    smooth = F.interpolate(difference, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(points.mask > 0, points.ab, ab + smooth)


@lru_cache(maxsize=2)  # of a photo at the pad's two sizes, for edit after edit
def _propagator(lightness: bytes, size: tuple[int, int]) -> Propagator:
    return Propagator(np.frombuffer(lightness).reshape(size), fade=0.4 / _FADE**2)


def is_limited(hint: PointHint) -> bool:
    """Check whether the reach of a point is limited."""
    return hint.reach != "everywhere"


def find_extent(
    lightness: Tensor,
    hints: Sequence[PointHint],
    picture_size: tuple[int, int],
    likeness: Likeness | None = None,
) -> Extent:
    """Compute the reach of points whose reach is limited.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        hints: At least one, in pixels of the picture.
        picture_size: Width and height of the picture.
        likeness: Result of `Colorizer.likeness`; without it the lightness decides alone.

    Returns:
        The extent, at the size of ``lightness``.
    """
    costs, size = _step_costs(lightness), (int(lightness.shape[2]), int(lightness.shape[3]))
    weight, nearest = np.zeros_like(costs), np.zeros(costs.shape, np.int64)
    for reach in dict.fromkeys(hint.reach for hint in hints):
        numbers = [i for i, hint in enumerate(hints) if hint.reach == reach]
        found, owner = _nearest_points(costs, _point_cells(hints, numbers, picture_size, costs.shape))
        mask = torch.from_numpy(_point_cells(hints, numbers, picture_size, size) >= 0)
        part = _fade(found, _alike(likeness, mask, costs.shape), reach)
        nearest = np.where(part > weight, owner, nearest)
        weight = np.maximum(part, weight)
    smooth = F.interpolate(
        torch.from_numpy(weight)[None, None], size=size, mode="bilinear", align_corners=False
    )
    owners = F.interpolate(torch.from_numpy(nearest)[None, None].double(), size=size, mode="nearest")
    homes = torch.from_numpy(_point_cells(hints, range(len(hints)), picture_size, size))
    return Extent(smooth[0, 0], owners[0, 0].long(), homes)


def even_reaches(
    lightness: Tensor,
    hint: PointHint,
    picture_size: tuple[int, int],
    count: int,
    likeness: Likeness | None = None,
) -> list[float]:
    """Return factors of the automatic reach of a point, each of which covers as many times more as the last.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        hint: The point, in pixels of the picture.
        picture_size: Width and height of the picture.
        count: Number of factors.
        likeness: See `find_extent`.

    Returns:
        Factors in (0, 10], in order.
    """
    factors = np.geomspace(_LEAST_REACH, MAX_REACH, _REACHES)
    found = _cost_from(lightness, hint, picture_size)
    areas = np.log(_covered_shares(found, lightness, hint, picture_size, factors, likeness))
    wanted = np.interp(np.linspace(areas[0], areas[-1], count), areas, np.log(factors))
    return [round(min(float(factor), MAX_REACH), 3) for factor in np.exp(wanted)]


def starting_reach(
    lightness: Tensor, hint: PointHint, picture_size: tuple[int, int], likeness: Likeness
) -> Reach:
    """Return a reach to begin with at a place: a small one if it lies in a small thing.

    In a small thing half of the automatic reach covers little, and all of it runs far into the surroundings.
    A border is around it: nearly all paths to a ring of places about it cost much. Parts of a large surface
    cover as little where they are textured, but paths leave them.
    The reach to begin with covers about as much as an eye or a button, and can be made larger.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        hint: A point at the place, in pixels of the picture.
        picture_size: Width and height of the picture.
        likeness: See `find_extent`; the limits were fitted with it.
    """
    factors = np.geomspace(_LEAST_REACH, _PROBED, _REACHES // 2)
    found = _cost_from(lightness, hint, picture_size)
    shares = _covered_shares(found, lightness, hint, picture_size, factors, likeness)
    if shares[-1] >= _SMALL or not _is_enclosed(found, hint, picture_size):
        return "automatic"
    return round(float(np.exp(np.interp(np.log(_BEGIN), np.log(shares), np.log(factors)))), 3)


def _cost_from(lightness: Tensor, hint: PointHint, picture_size: tuple[int, int]) -> Map:
    """Return what the cheapest path from a point to each place costs."""
    costs = _step_costs(lightness)
    found, _ = _nearest_points(costs, _point_cells([hint], [0], picture_size, costs.shape))
    return found


def _is_enclosed(found: Map, hint: PointHint, picture_size: tuple[int, int]) -> bool:
    """Check whether borders separate a point from most of what lies around it; ``found``: `_cost_from` it."""
    cells = _point_cells([hint], [0], picture_size, found.shape)
    row, column = np.argwhere(cells >= 0).mean(axis=0)
    rows, columns = np.indices(found.shape)
    ring = np.abs(np.hypot(rows - row, columns - column) - _RING) < 1
    return bool(ring.any()) and float(np.quantile(np.sqrt(found[ring]), _GAP)) > _ENCLOSED


def _covered_shares(
    found: Map,
    lightness: Tensor,
    hint: PointHint,
    picture_size: tuple[int, int],
    factors: NDArray[np.float64],
    likeness: Likeness | None,
) -> NDArray[np.float64]:
    """Return the share of a picture that a point covers with each factor of its automatic reach."""
    size = (int(lightness.shape[2]), int(lightness.shape[3]))
    mask = torch.from_numpy(_point_cells([hint], [0], picture_size, size) >= 0)
    alike = _alike(likeness, mask, found.shape)
    return np.array([_fade(found, alike, float(factor)).mean(dtype=np.float64) for factor in factors])


class Base(NamedTuple):
    """Colors without the points of limited reach, which an edit of those leaves unchanged.

    Attributes:
        ab: ``(1, 2, h, w)`` in CIE units.
        shown: The same as sRGB shows it.
    """

    ab: Tensor
    shown: Tensor

    @classmethod
    def of(cls, ab: Tensor, lightness: Tensor) -> Base:
        """Return colors ``(1, 2, h, w)`` over a lightness ``(1, 1, h, w)`` in [0, 100]."""
        return cls(ab, _in_gamut(ab, lightness))


def limit_reach(ab: Tensor, base: Base, lightness: Tensor, points: Points, extent: Extent) -> Tensor:
    """Restrict the effect of points to their reach.

    Inside the reach the prediction is moved some way towards the points' colors where the network follows
    them, so that a reach is filled more evenly than by the network. On even surfaces the change fades over a
    wide band where a reach ends, and turns into that of the next point where two reaches meet. Only what sRGB
    shows at a place blends: the rest would color its brighter or darker neighbors.

    Args:
        ab: ``(1, 2, h, w)`` in CIE units, the prediction with all points.
        base: The prediction without those of limited reach.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        points: All points at that size.
        extent: Reach of the limited ones.

    Returns:
        ``(1, 2, h, w)``, exact at the points.
    """
    change, weight = ab - base.ab, extent.weight
    colors, response = _response(change[0], ab[0], extent)
    fill = _FILL * weight * response
    mixed = weight * ((1 - fill) * change + fill * (colors - base.ab))
    shown = _in_gamut(base.ab + mixed, lightness) - base.shown
    given = torch.where(points.mask > 0, points.ab - base.ab, torch.nan)
    smooth = _blend(shown[0].numpy(), given[0].numpy(), lightness[0, 0].numpy(), _blend_widths(extent))
    return torch.where(points.mask > 0, points.ab, base.ab + torch.from_numpy(smooth)[None])


def point_strength(lightness: Tensor, hints: Sequence[PointHint], extent: Extent) -> Tensor:
    """Return the strength ``(h, w)`` of the point that each place belongs to.

    Where two points meet on an even surface, their strengths turn into each other over a wide band.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        hints: The points.
        extent: Their reach.
    """
    strengths = torch.tensor([hint.strength for hint in hints])
    if (strengths == strengths[0]).all():
        return strengths[0].expand(lightness.shape[2:])
    nearest = strengths[extent.nearest].numpy()
    nothing = np.full((2, *nearest.shape), np.nan, np.float32)
    widths = np.full(nearest.shape, _BLEND * min(nearest.shape), np.float32)
    return torch.from_numpy(_blend(np.stack([nearest] * 2), nothing, lightness[0, 0].numpy(), widths)[0])


def _step_costs(lightness: Tensor) -> Map:
    """Return `edge_costs` on the grid on which paths are searched; do not change it."""
    height, width = int(lightness.shape[2]), int(lightness.shape[3])
    return _cached_step_costs(lightness.numpy().tobytes(), (height, width))


@lru_cache(maxsize=2)  # of a photo at the pad's two sizes, for edit after edit
def _cached_step_costs(lightness: bytes, size: tuple[int, int]) -> Map:
    height, width = size
    scale = min(1.0, _GRID / min(height, width))
    grid = (max(1, round(height * scale)), max(1, round(width * scale)))
    whole = torch.from_numpy(np.frombuffer(lightness, np.float32).reshape(1, 1, height, width).copy())
    return edge_costs(F.adaptive_avg_pool2d(whole, grid)[0, 0].numpy())


def _alike(likeness: Likeness | None, mask: Tensor, grid: tuple[int, ...]) -> Map | None:
    """Return how alike the cells of a grid are to the places of a mask ``(h, w)``."""
    if likeness is None:
        return None
    found: Map = F.interpolate(likeness(mask[None, None].float()), grid, mode="bilinear")[0, 0].numpy()
    return found


def edge_costs(lightness: Map) -> Map:
    """Return the cost ``(h, w)`` of a step: the slope of the lightness over that of its surroundings."""
    calm = cv2.medianBlur(np.ascontiguousarray(lightness, np.float32), 5)
    slope = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)) / 8
    around = cv2.GaussianBlur(slope, (0, 0), _CALM)
    costs: Map = (slope / (1 + around) + _STEP).astype(np.float32)
    return costs


def _point_cells(
    hints: Sequence[PointHint], numbers: Sequence[int], picture_size: tuple[int, int], grid: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the number ``(h, w)`` of the point that covers each cell, -1 where none does."""
    cells = np.full(grid, -1, np.int64)
    for number in numbers:
        hint = hints[number]
        rows = covered(hint.y, hint.radius, grid[0] / picture_size[1], grid[0])
        columns = covered(hint.x, hint.radius, grid[1] / picture_size[0], grid[1])
        cells[rows, columns] = number
    return cells


def _nearest_points(costs: Map, cells: NDArray[np.int64]) -> tuple[Map, NDArray[np.int64]]:
    """Return the cost of the cheapest path from a point to each cell, and the number of that point."""
    search = MCP_Geometric(costs)
    found, steps = search.find_costs(np.argwhere(cells >= 0))
    # offsets to the cell before; a start, whose step is -1, has none
    offsets = np.concatenate([np.asarray(search.offsets), [(0, 0)]])
    rows, columns = np.indices(costs.shape)
    back = offsets[np.where(steps < 0, len(offsets) - 1, steps)]
    before = (rows - back[..., 0]) * costs.shape[1] + columns - back[..., 1]
    before = before.ravel()
    while not np.array_equal(before, further := before[before]):
        before = further
    return found.astype(np.float32), cells.ravel()[before].reshape(costs.shape)


def _fade(costs: Map, alike: Map | None, reach: Reach) -> Map:
    """Return the share of a color that is left, by the cost of the cheapest path and by the likeness."""
    factor = reach if isinstance(reach, float) else 1.0
    if factor == 0:
        return np.zeros_like(costs)
    distance, border, steepness = np.sqrt(costs), _BORDER, _STEEPNESS
    if alike is not None:
        distance, border, steepness = distance + _UNLIKE * (1 - alike), _BORDER_ALIKE, _STEEPNESS_ALIKE
    there = (1 - distance / (factor * border)) * steepness
    weight: Map = (1 / (1 + np.exp(np.clip(-there, -60, 60)))).astype(np.float32)
    return np.where(costs == 0, np.float32(1), weight)


def _in_gamut(ab: Tensor, lightness: Tensor) -> Tensor:
    """Return ab ``(1, 2, h, w)`` as sRGB shows it over a lightness ``(1, 1, h, w)``."""
    return reduce_chroma(torch.cat([lightness, ab], dim=1))[:, 1:]


def _blend_widths(extent: Extent) -> Map:
    """Return how far a change spreads at each place ``(h, w)`` in pixels: less around a small thing."""
    nearest = extent.nearest.flatten()
    areas = torch.zeros(int(nearest.max()) + 1).index_add_(0, nearest, extent.weight.flatten())
    most = _BLEND * min(extent.weight.shape)
    return (_BLEND_SMALL * areas.sqrt()).clamp(min=_LEAST_BLEND, max=most)[extent.nearest].numpy()


def _blend(change: Map, given: Map, lightness: Map, widths: Map) -> Map:
    """Smooth a change over even surfaces, by the recursive filter of Gastal and Oliveira (2011).

    Args:
        change: ``(2, h, w)`` in CIE units.
        given: The change at points, NaN elsewhere; it stays.
        lightness: ``(h, w)`` in [0, 100].
        widths: Deviation of the filter ``(h, w)`` in pixels on an even surface.
    """
    held = ~np.isnan(given)
    down = _resistance(lightness, widths)
    right = _resistance(lightness.T, widths.T)
    for number in range(_BLEND_ROUNDS):
        scale = np.float32(np.sqrt(2 * (4**_BLEND_ROUNDS - 1) / 3) / 2 ** (_BLEND_ROUNDS - number - 1))
        change = np.where(held, given, change)
        change = _pass_along(change.transpose(2, 1, 0), np.exp(-scale * right)).transpose(2, 1, 0)
        change = _pass_along(change.transpose(1, 2, 0), np.exp(-scale * down)).transpose(2, 0, 1)
    return change


def _resistance(lightness: Map, widths: Map) -> Map:
    """Return how much each step between rows ``(h - 1, w)`` stops a change."""
    stops = np.abs(np.diff(lightness, axis=0)) / _BLEND_EDGE + 2 / (widths[1:] + widths[:-1])
    return stops.astype(np.float32)


def _pass_along(maps: Map, shares: Map) -> Map:
    """Pass values from row to row, down and up again; ``(n, m, 2)`` with shares ``(n - 1, m)``."""
    rows, kept = np.array(maps, order="C"), np.repeat(shares[..., None], 2, axis=2)
    step = np.empty_like(rows[0])
    down, up = (
        zip(rows, rows[1:], kept, strict=False),
        zip(rows[::-1], rows[-2::-1], kept[::-1], strict=False),
    )
    for before, here, share in chain(down, up):
        np.subtract(before, here, out=step)
        np.multiply(step, share, out=step)
        np.add(here, step, out=here)
    return rows


def _response(change: Tensor, ab: Tensor, extent: Extent) -> tuple[Tensor, Tensor]:
    """Return the color of each place's point ``(2, h, w)``, and how far the network follows it there.

    The latter is ``(h, w)`` in [0, 1]: the root of the share of the point's own change.
    """
    hinted = extent.homes >= 0
    owner = extent.homes[hinted]
    count = int(torch.maximum(extent.nearest.max(), owner.max())) + 1
    number = torch.zeros(count).index_add_(0, owner, torch.ones(len(owner))).clamp(min=1)
    colors = torch.zeros(2, count).index_add_(1, owner, ab[:, hinted]) / number
    made = torch.zeros(2, count).index_add_(1, owner, change[:, hinted]) / number
    here = made[:, extent.nearest]
    share = (change * here).sum(dim=0) / (here.square().sum(dim=0) + 1)
    return colors[:, extent.nearest], share.clamp(0, 1).sqrt()
