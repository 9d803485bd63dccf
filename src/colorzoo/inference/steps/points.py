"""Points at the network's size: drawn, given exactly, and limited to their reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import at_lightness, reduce_chroma
from colorzoo.guidance import PointHint, Points
from colorzoo.guidance.propagate import Propagator
from colorzoo.guidance.rasterize import rasterize_points
from colorzoo.inference.steps.reach import Extent, Size

Map = NDArray[np.float32]
Square = tuple[float, float, float, str, tuple[float, float] | None]
"""Center and half the side of a point, its color and exact ab, as of `PointHint`."""


@dataclass(frozen=True)
class PointConstants:
    """Constants of points.

    Attributes:
        most_cells: Cells along the shorter side of the grid on which differences are propagated.
        fade: Cells over which a difference falls to a third without edges.
        fill: Share of a point's own color where the network follows it in full.
        blend: How far a change spreads on an even surface, as a share of the shorter side.
        blend_small: The same as a share of the root of the area that a point reaches, which may be less.
        blend_edge: Difference in lightness that stops a change as much as that distance does.
        least_blend: Least of these distances in pixels.
        blend_rounds: Rounds of the filter.
    """

    most_cells: int = 64
    fade: float = 12.0
    fill: float = 0.5
    blend: float = 12 / 256
    blend_small: float = 0.3
    blend_edge: float = 20.0
    least_blend: float = 0.5
    blend_rounds: int = 2


POINTS = PointConstants()


class Base(NamedTuple):
    """Colors without the points of limited reach; editing such a point does not change them.

    Attributes:
        ab: ``(1, 2, h, w)`` in CIE units.
        shown: The same as sRGB shows it.
    """

    ab: Tensor
    shown: Tensor


def squares_of(hints: Sequence[PointHint]) -> tuple[Square, ...]:
    """Return points without their reach and strength, which do not change how they are drawn."""
    return tuple((hint.x, hint.y, hint.radius, hint.color, hint.ab) for hint in hints)


def draw_points(
    lightness: Tensor, *, squares: tuple[Square, ...], picture_size: Size, fits: bool = True
) -> Points:
    """Draw points at the network's size.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        squares: The points, see `squares_of`.
        picture_size: Width and height of the image.
        fits: Whether their colors are adapted to the lightness of their places.
    """
    size = int(lightness.shape[2]), int(lightness.shape[3])
    points = rasterize_points([PointHint(*square) for square in squares], *picture_size, size)
    assert points is not None
    return fit_points(points, lightness) if fits else points


def find_neighbors(lightness: Tensor) -> Propagator:
    """Find which places of a lightness ``(1, 1, h, w)`` share the color of a point."""
    cells = F.adaptive_avg_pool2d(lightness, _grid(lightness))[0, 0].double().cpu().numpy()
    return Propagator(cells, fade=0.4 / POINTS.fade**2)


def fit_points(points: Points, lightness: Tensor) -> Points:
    """Adapt the given colors to the lightness ``(1, 1, h, w)`` of their pixels, within the sRGB gamut."""
    hinted = points.mask[:, 0] > 0
    given = torch.cat([lightness, points.ab], dim=1).movedim(1, 0)[:, hinted]
    fitted = reduce_chroma(given[:, None])[1:, 0]
    if points.lightness is not None and points.exact is not None:
        free = points.exact[:, 0][hinted] == 0
        chosen = torch.cat([points.lightness[:, 0][hinted][None], given[1:]])[:, free]
        fitted[:, free] = at_lightness(chosen[:, None], given[:1, None, free])[1:, 0]
    ab = torch.zeros_like(points.ab)
    ab.movedim(1, 0)[:, hinted] = fitted
    return replace(points, ab=ab)


def enforce_points(ab: Tensor, points: Points, propagator: Propagator) -> Tensor:
    """Move a prediction onto the given colors.

    The difference at the hinted pixels is propagated to their neighborhood, up to edges of the lightness and
    fading with distance, and applied exactly at the hinted pixels.

    Args:
        ab: ``(1, 2, H, W)`` prediction in CIE units.
        points: The hints, same size.
        propagator: Result of `find_neighbors` for the lightness.

    Returns:
        ``(1, 2, H, W)`` in CIE units.
    """
    if not points.mask.any():
        return ab
    height, width = ab.shape[-2:]
    cells = _grid(ab)
    share = F.adaptive_avg_pool2d(points.mask, cells)
    missing = F.adaptive_avg_pool2d((points.ab - ab) * points.mask, cells) / share.clamp(min=1e-6)
    field = propagator(missing[0].double().cpu().numpy(), (share[0, 0] > 0).cpu().numpy())
    difference = torch.from_numpy(field)[None].to(ab)
    smooth = F.interpolate(difference, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(points.mask > 0, points.ab, ab + smooth)


def _grid(maps: Tensor) -> Size:
    """Return the rows and columns of the grid on which differences are propagated."""
    height, width = maps.shape[-2:]
    cell = max(1, min(height, width) // POINTS.most_cells)
    return -(-height // cell), -(-width // cell)


def show_base(ab: Tensor, lightness: Tensor) -> Base:
    """Find what sRGB shows of ab ``(1, 2, h, w)`` without points of limited reach."""
    return Base(ab, _in_gamut(ab, lightness))


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
    fill = POINTS.fill * weight * response
    mixed = weight * ((1 - fill) * change + fill * (colors - base.ab))
    shown = _in_gamut(base.ab + mixed, lightness) - base.shown
    given = torch.where(points.mask > 0, points.ab - base.ab, torch.nan)
    smooth = blend(shown[0].numpy(), given[0].numpy(), lightness[0, 0].numpy(), _blend_widths(extent))
    return torch.where(points.mask > 0, points.ab, base.ab + torch.from_numpy(smooth)[None])


def _in_gamut(ab: Tensor, lightness: Tensor) -> Tensor:
    """Return ab ``(1, 2, h, w)`` as sRGB shows it over a lightness ``(1, 1, h, w)``."""
    return reduce_chroma(torch.cat([lightness, ab], dim=1))[:, 1:]


def _blend_widths(extent: Extent) -> Map:
    """Return how far a change spreads at each place ``(h, w)`` in pixels: less around a small thing."""
    nearest = extent.nearest.flatten()
    areas = torch.zeros(int(nearest.max()) + 1).index_add_(0, nearest, extent.weight.flatten())
    most = POINTS.blend * min(extent.weight.shape)
    widths = (POINTS.blend_small * areas.sqrt()).clamp(min=POINTS.least_blend, max=most)
    return widths[extent.nearest].numpy()


def blend(change: Map, given: Map, lightness: Map, widths: Map) -> Map:
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
    rounds = POINTS.blend_rounds
    for number in range(rounds):
        scale = np.float32(np.sqrt(2 * (4**rounds - 1) / 3) / 2 ** (rounds - number - 1))
        change = np.where(held, given, change)
        change = _pass_along(change.transpose(2, 1, 0), np.exp(-scale * right)).transpose(2, 1, 0)
        change = _pass_along(change.transpose(1, 2, 0), np.exp(-scale * down)).transpose(2, 0, 1)
    return change


def _resistance(lightness: Map, widths: Map) -> Map:
    """Return how much each step between rows ``(h - 1, w)`` stops a change."""
    stops = np.abs(np.diff(lightness, axis=0)) / POINTS.blend_edge + 2 / (widths[1:] + widths[:-1])
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
