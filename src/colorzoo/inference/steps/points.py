"""Rasterization, exact colors, reach and strength of points; corrections at full size.

A point of a few pixels can be smaller than a pixel of the network output. Upsampling then loses most of the
point color. A correction adds the missing color at the point and fades out within about one pixel of the
network output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.lab import at_lightness, reduce_chroma
from colorzoo.guidance import PointHint, Points
from colorzoo.guidance.hints import color_lab, covered
from colorzoo.guidance.propagate import Propagator
from colorzoo.inference.full_size import (
    FullLightness,
    Overlay,
    bicubic_matrix,
    map_size,
)
from colorzoo.inference.steps.reach import Extent

Map = NDArray[np.float32]


_MOST_CELLS = 64  # approximate cells along the shorter side of the grid on which color differences propagate
_FADE = 12.0  # distance in cells over which a propagated difference decays to a third on a uniform surface
_FILL = 0.5  # weight of the point color in the mix, at pixels where the network fully adopts the point color
# standard deviation of the filter in `blend` on a uniform surface, as a fraction of the shorter side of the
# network input, and its maximum for small areas, as a fraction of the square root of the colored area
_BLEND, _BLEND_SMALL = 12 / 256, 0.3
_LEAST_BLEND = 0.5  # minimum standard deviation of the filter in pixels
_BLEND_EDGE = 20.0  # lightness step that attenuates the filter as much as one standard deviation
_BLEND_ROUNDS = 2  # iterations of the filter

# full-size corrections of `correct_points`
MOST_CORRECTED = 2048  # maximum number of corrected points
_WIDEST = 1.5  # maximum standard deviation of the Gaussian falloff in pixels of the network output
_NARROWEST = 0.3  # minimum standard deviation of the falloff in pixels of the image
_APART = 2.5  # minimum distance to the nearest other point in standard deviations; closer points narrow them
_SOLVER_ROUNDS = 4  # iterations of the linear solver that computes the corrections
_CUT = 3.5  # standard deviations at which the Gaussian of a correction is truncated; its weight is then 0.002


def find_neighbors(lightness: Tensor) -> Propagator:
    """Build the `Propagator` of point colors from a lightness map ``(1, 1, h, w)``."""
    height, width = map_size(lightness)
    cell_size = max(1, min(height, width) // _MOST_CELLS)
    grid = math.ceil(height / cell_size), math.ceil(width / cell_size)
    cells = F.adaptive_avg_pool2d(lightness, grid)[0, 0].double().cpu().numpy()
    return Propagator(cells, fade=0.4 / _FADE**2)


def fit_points(points: Points, lightness: Tensor) -> Points:
    """Clip point colors to sRGB at the lightness ``(1, 1, h, w)`` of the covered pixels."""
    is_hinted = points.mask[:, 0] > 0
    # Lab (3, N) of the hinted pixels, with the lightness of the image
    lab = torch.cat([lightness, points.ab], dim=1).movedim(1, 0)[:, is_hinted]
    is_exact, fitted_ab = torch.ones_like(lab[0], dtype=torch.bool), lab[1:].clone()
    if points.lightness is not None and points.exact is not None:
        is_exact = points.exact[:, 0][is_hinted] != 0
        # other colors are moved to the lightness of the image at constant hue
        chosen_lab = torch.cat([points.lightness[:, 0][is_hinted][None], lab[1:]])[:, ~is_exact]
        fitted_ab[:, ~is_exact] = at_lightness(chosen_lab[:, None], lab[:1, None, ~is_exact])[1:, 0]
    if is_exact.any():
        fitted_ab[:, is_exact] = reduce_chroma(lab[:, None, is_exact])[1:, 0]
    ab = torch.zeros_like(points.ab)
    ab.movedim(1, 0)[:, is_hinted] = fitted_ab
    return replace(points, ab=ab)


def enforce_points(ab: Tensor, points: Points, propagator: Propagator) -> Tensor:
    """Set hinted pixels of a prediction to the colors of points, and adjust nearby pixels.

    The difference between point color and prediction is also added to nearby pixels. This change decreases
    with distance and stops at lightness edges.

    Args:
        ab: Prediction ``(1, 2, H, W)`` in CIE units.
        points: Point maps of size ``(H, W)``.
        propagator: Result of `find_neighbors` for the lightness.

    Returns:
        ``(1, 2, H, W)`` in CIE units.
    """
    if not points.mask.any():
        return ab
    # mean difference of the hinted pixels in each cell of the propagator
    hinted_share = F.adaptive_avg_pool2d(points.mask, propagator.shape)
    masked_mean = F.adaptive_avg_pool2d((points.ab - ab) * points.mask, propagator.shape)
    difference = masked_mean / hinted_share.clamp(min=1e-6)  # mean over the hinted pixels
    is_hinted = (hinted_share[0, 0] > 0).cpu().numpy()
    propagated = propagator(difference[0].double().cpu().numpy(), is_hinted)
    propagated_map = torch.from_numpy(propagated)[None].to(ab)
    change = F.interpolate(propagated_map, size=map_size(ab), mode="bilinear", align_corners=False)
    return torch.where(points.mask > 0, points.ab, ab + change)


def limit_reach(ab: Tensor, base_ab: Tensor, lightness: Tensor, mask: Tensor, extent: Extent) -> Tensor:
    """Restrict each point to its reach, the area that its color can change.

    Outside the reach, the prediction without the point is used. Inside the reach, the prediction is shifted
    towards the color of the point, which makes the colors more uniform.

    A filter smooths the change on uniform surfaces, at the boundary of the reach and between adjacent points.
    Colors are clipped to sRGB before the filter, because out-of-gamut chroma would tint brighter or darker
    neighbors.

    Args:
        ab: Prediction ``(1, 2, h, w)`` with all points, in CIE units.
        base_ab: Prediction ``(1, 2, h, w)`` without the points of limited reach, in CIE units.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        mask: ``(1, 1, h, w)``, positive at the pixels of all points.
        extent: Pixels to which the points with limited reach apply.

    Returns:
        Colors ``(1, 2, h, w)`` that equal ``ab`` at the hinted pixels.
    """
    change, weight, is_hinted = ab - base_ab, extent.weight, mask > 0
    # mean color and mean color change of the pixels of each point
    is_home = extent.homes >= 0
    point = extent.homes[is_home]  # number of the point at each hinted pixel
    point_count = int(torch.maximum(extent.nearest.max(), point.max())) + 1
    pixel_counts = torch.zeros(point_count).index_add_(0, point, torch.ones(len(point))).clamp(min=1)
    mean_ab = torch.zeros(2, point_count).index_add_(1, point, ab[0][:, is_home]) / pixel_counts
    mean_change = torch.zeros(2, point_count).index_add_(1, point, change[0][:, is_home]) / pixel_counts
    # color of the nearest point, and response of the network to it: the change relative to the change there
    point_colors, change_at_point = mean_ab[:, extent.nearest], mean_change[:, extent.nearest]
    ratio = (change[0] * change_at_point).sum(dim=0) / (change_at_point.square().sum(dim=0) + 1)
    response = ratio.clamp(0, 1).sqrt()
    # mix the predicted change with the change to the point color, then limit the mixture to the reach
    point_share = _FILL * weight * response
    mixed_change = (1 - point_share) * change + point_share * (point_colors - base_ab)
    limited_ab = base_ab + weight * mixed_change
    # the change is near 0 outside the reach, because both colors are clipped
    clipped_base = reduce_chroma(torch.cat([lightness, base_ab], dim=1))[:, 1:]
    clipped_change = reduce_chroma(torch.cat([lightness, limited_ab], dim=1))[:, 1:] - clipped_base
    fixed_change = torch.where(is_hinted, change, torch.nan)
    # the filter is narrower for points that color a small area
    nearest = extent.nearest.flatten()
    point_areas = torch.zeros(int(nearest.max()) + 1).index_add_(0, nearest, weight.flatten())
    widest = _BLEND * min(weight.shape)
    point_widths = (_BLEND_SMALL * point_areas.sqrt()).clamp(min=_LEAST_BLEND, max=widest)
    pixel_widths = point_widths[extent.nearest]
    smooth_change = blend(
        clipped_change[0].numpy(), fixed_change[0].numpy(), lightness[0, 0].numpy(), pixel_widths.numpy()
    )
    return torch.where(is_hinted, ab, base_ab + torch.from_numpy(smooth_change)[None])


def blend(change: Map, fixed_change: Map, lightness: Map, widths: Map) -> Map:
    """Smooth a color change over uniform surfaces, without crossing edges.

    The recursive filter is described by Gastal and Oliveira (2011). Each iteration filters horizontally, then
    vertically, and uses half the width of the previous iteration. The fixed changes are restored before each
    iteration. The last iteration also smooths these changes, so the caller must restore them in the result.

    Args:
        change: ``(2, h, w)`` in CIE units.
        fixed_change: ``(2, h, w)``, color change at the pixels of points; NaN elsewhere.
        lightness: ``(h, w)`` in [0, 100].
        widths: Standard deviation of the filter ``(h, w)`` in pixels on a uniform surface.

    Returns:
        Smoothed change ``(2, h, w)``.
    """
    is_fixed = ~np.isnan(fixed_change)
    vertical_distance = _resistance(lightness, widths)  # (h - 1, w)
    horizontal_distance = _resistance(lightness.T, widths.T)  # (w - 1, h)
    for number in range(_BLEND_ROUNDS):
        # sqrt(2) / sigma of this iteration, if the standard deviation of the whole filter is 1
        scale = np.float32(np.sqrt(2 * (4**_BLEND_ROUNDS - 1) / 3) / 2 ** (_BLEND_ROUNDS - number - 1))
        change = np.where(is_fixed, fixed_change, change)
        # `_pass_along` filters along the first axis of a map with the channels last
        columns_first = change.transpose(2, 1, 0)
        change = _pass_along(columns_first, np.exp(-scale * horizontal_distance)).transpose(2, 1, 0)
        rows_first = change.transpose(1, 2, 0)
        change = _pass_along(rows_first, np.exp(-scale * vertical_distance)).transpose(2, 0, 1)
    return change


def _resistance(lightness: Map, widths: Map) -> Map:
    """Return the filter distance between adjacent rows, ``(h - 1, w)``."""
    stops = np.abs(np.diff(lightness, axis=0)) / _BLEND_EDGE + 2 / (widths[1:] + widths[:-1])
    return stops.astype(np.float32)


def _pass_along(maps: Map, shares: Map) -> Map:
    """Apply the recursive filter to the rows of ``maps``, first downwards, then upwards."""
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


def weaken_points(
    strong: Tensor, without: Tensor, lightness: Tensor, extent: Extent, *, strengths: tuple[float, ...]
) -> Tensor:
    """Scale the color changes of weak points by the strength of the points.

    A weak point has a strength below 1. The result is interpolated between ``without`` and ``strong``. On a
    uniform surface, the strengths are interpolated between two points.

    Args:
        strong: Colors ``(1, 2, h, w)`` in CIE units with all points at full strength.
        without: Colors without the weak points.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        extent: Pixels to which the weak points apply.
        strengths: Strength of each weak point.
    """
    point_strengths = torch.tensor(strengths)
    strength = point_strengths[extent.nearest]
    strengths_differ = (point_strengths != point_strengths[0]).any()
    if strengths_differ:
        widths = np.full(strength.shape, _BLEND * min(strength.shape), np.float32)
        fixed = np.full((2, *strength.shape), np.nan, np.float32)  # no pixel is fixed
        maps = np.stack([strength.numpy()] * 2)  # `blend` filters two channels
        strength = torch.from_numpy(blend(maps, fixed, lightness[0, 0].numpy(), widths)[0])
    return without + strength * (strong - without)


def correct_points(
    hints: Sequence[PointHint],
    ab: Tensor,
    lightness: Tensor | FullLightness,
    *,
    changes: Sequence[tuple[Callable[[Tensor], Tensor], Tensor | None]] = (),
    locked: Tensor | None = None,
) -> list[Overlay]:
    """Compute corrections that restore the exact colors of points in an upsampled prediction.

    If there are more than `MOST_CORRECTED` points, the result is empty.

    Args:
        hints: Points in pixels of the image. Points covered by a later point, points that touch locked pixels
            and points with a strength below 1 are ignored. A point with the strength 0 covers no other point.
        ab: Prediction ``(2, h, w)`` in CIE units.
        lightness: Lightness ``(H, W)`` of the image in [0, 100].
        changes: Changes of the colors after the points: functions of ab ``(2, ...)``, each with its weight
            ``(h, w)``, or None for the whole image. They also apply to the exact colors.
        locked: Mask ``(h, w)`` of locked colors in [0, 1]; None without locks.

    Returns:
        Correction of each point for the prediction upsampled to ``(H, W)``.
    """
    hints = [hint for hint in hints if hint.strength > 0]
    if not hints or len(hints) > MOST_CORRECTED:
        return []
    height, width = lightness.shape
    # row and column of the pixel that contains the center of each point
    rows = torch.tensor([min(int(hint.y), height - 1) for hint in hints])
    columns = torch.tensor([min(int(hint.x), width - 1) for hint in hints])
    # first and last row, first and last column of each point
    slices = [covered((hint.x, hint.y), hint.radius, (width, height), (height, width)) for hint in hints]
    boxes = torch.tensor([(y.start, y.stop - 1, x.start, x.stop - 1) for y, x in slices])
    # squared distance of the center of point i (row) from the rectangle of point j (column)
    first_rows, last_rows, first_columns, last_columns = boxes.T
    row_distances = _distance_outside(rows[:, None], first_rows, last_rows)
    column_distances = _distance_outside(columns[:, None], first_columns, last_columns)
    squared_distances = row_distances.square() + column_distances.square()
    inside = squared_distances == 0  # whether point j (column) contains the center of point i (row)
    is_covered = inside.triu(diagonal=1).any(dim=1)  # above the diagonal, point j is later than point i
    lock_distances = torch.full((len(hints),), torch.inf)
    if locked is not None and locked.any():
        lock_distances = _lock_distances(locked, boxes, (height, width))
    touches_lock = lock_distances == 0
    is_weak = torch.tensor([hint.strength < 1 for hint in hints])
    corrected = (~(is_covered | touches_lock | is_weak)).nonzero().flatten()
    if not len(corrected):
        return []

    rows, columns, boxes = rows[corrected], columns[corrected], boxes[corrected]
    squared_distances = squared_distances[corrected][:, corrected]
    # a smaller standard deviation near other points and locks preserves their colors
    other_points = squared_distances.masked_fill(squared_distances == 0, torch.inf)
    distances = other_points.min(dim=0).values.sqrt()
    cell_size = max(height / ab.shape[1], width / ab.shape[2])  # of the network output, in pixels
    deviations = (distances / _APART).clamp(min=_NARROWEST, max=_WIDEST * cell_size)
    deviations = torch.minimum(deviations, (lock_distances[corrected] / _CUT).clamp(min=_NARROWEST))
    corrected_hints = [hints[index] for index in corrected.tolist()]
    missing_ab = _missing_ab(corrected_hints, ab, lightness, (rows, columns), changes)
    # weight of the correction of point j (column) at point i (row)
    weights = torch.exp(-0.5 * squared_distances / deviations.square())
    # amounts whose weighted sum at each point is approximately the missing color (Gauss-Seidel)
    amounts = torch.zeros_like(missing_ab)
    for _ in range(_SOLVER_ROUNDS):
        for index in range(len(missing_ab)):
            amounts[index] += missing_ab[index] - weights[index] @ amounts
    parameters = zip(boxes.tolist(), deviations.tolist(), amounts, strict=True)
    return [
        partial(_add_correction, (first_row, last_row), (first_column, last_column), deviation, amount)
        for (first_row, last_row, first_column, last_column), deviation, amount in parameters
    ]


def _add_correction(
    point_rows: tuple[int, int],
    point_columns: tuple[int, int],
    deviation: float,
    amount: Tensor,
    ab: Tensor,
    _lightness: Tensor,
    first: int,
) -> None:
    """Change the color of a point and, with a Gaussian falloff, of nearby pixels; see `Overlay`.

    Args:
        point_rows: First and last row of the rectangle of pixels that the point covers.
        point_columns: First and last column of the rectangle.
        deviation: Standard deviation of the falloff outside the rectangle, in pixels.
        amount: Change ``(2,)`` of a and b inside the rectangle, in CIE units.
        ab: ``(2, rows, W)`` of the band, changed in place.
        first: First row of the band.
    """
    margin = _CUT * deviation
    top = max(int(point_rows[0] - margin) - first, 0)
    bottom = min(int(point_rows[1] + margin) + 1 - first, ab.shape[1])
    left = max(int(point_columns[0] - margin), 0)
    right = min(int(point_columns[1] + margin) + 1, ab.shape[2])
    if top >= bottom:
        return
    away_y = _distance_outside(torch.arange(top, bottom) + first, *point_rows)
    away_x = _distance_outside(torch.arange(left, right), *point_columns)
    y, x = (torch.exp(-0.5 * (away / deviation).square()) for away in (away_y, away_x))
    ab[:, top:bottom, left:right] += amount.view(2, 1, 1) * y.view(1, -1, 1) * x.view(1, 1, -1)


def _distance_outside(position: Tensor, first: Tensor | int, last: Tensor | int) -> Tensor:
    """Return the distance of positions from the range [first, last] in pixels; 0 inside."""
    return torch.maximum(first - position, position - last).clamp(min=0).float()


def _missing_ab(
    hints: Sequence[PointHint],
    ab: Tensor,
    lightness: Tensor | FullLightness,
    pixels: tuple[Tensor, Tensor],
    changes: Sequence[tuple[Callable[[Tensor], Tensor], Tensor | None]],
) -> Tensor:
    """Return the difference ``(K, 2)`` between the colors of points and the upsampled prediction.

    Args:
        hints: K points.
        ab: Prediction ``(2, h, w)`` in CIE units.
        lightness: Lightness ``(H, W)`` of the image in [0, 100].
        pixels: Rows ``(K,)`` and columns ``(K,)`` of the points.
        changes: See `correct_points`.
    """
    # a `#rrggbb` color is moved to the lightness at constant hue; an exact ab is clipped to sRGB
    point_lightness = lightness[pixels][None, :, None]
    chosen_lab = torch.tensor([color_lab(hint.color) for hint in hints]).T[:, :, None]
    exact_ab = torch.tensor([hint.ab or (0.0, 0.0) for hint in hints]).T[:, :, None]
    is_exact = torch.tensor([hint.ab is not None for hint in hints])[:, None]
    moved_lab = at_lightness(chosen_lab, point_lightness)
    exact_lab = reduce_chroma(torch.cat([point_lightness, exact_ab]))
    lab = torch.where(is_exact, exact_lab, moved_lab)
    # upsample maps only at the points
    rows, columns = pixels
    height, width = lightness.shape
    row_weights = bicubic_matrix(ab.shape[1], height)[rows]
    column_weights = bicubic_matrix(ab.shape[2], width)[columns]

    def upsampled(maps: Tensor) -> Tensor:
        return torch.einsum("kh,chw,kw->ck", row_weights, maps, column_weights)

    for change, where in changes:
        weight = 1 if where is None else upsampled(where[None]).clamp(0, 1)
        target = lab[1:, :, 0]
        lab[1:, :, 0] = target + weight * (change(target) - target)
    return (reduce_chroma(lab)[1:, :, 0] - upsampled(ab)).T


def _lock_distances(locked: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the distance ``(K,)`` in pixels from each rectangle to the nearest locked pixel.

    Args:
        locked: Mask ``(h, w)`` with at least one locked pixel.
        boxes: ``(K, 4)``: first and last row, first and last column.
        size: Height and width of the image.
    """
    cells = (locked > 0).nonzero()
    cell_height, cell_width = size[0] / locked.shape[0], size[1] / locked.shape[1]
    top, left = cells[:, 0] * cell_height, cells[:, 1] * cell_width
    distances = []
    for first_row, last_row, first_column, last_column in boxes.tolist():
        down = torch.maximum(top - (last_row + 1), first_row - (top + cell_height)).clamp(min=0)
        across = torch.maximum(left - (last_column + 1), first_column - (left + cell_width)).clamp(min=0)
        distances.append(torch.hypot(down, across).min())
    return torch.stack(distances)
