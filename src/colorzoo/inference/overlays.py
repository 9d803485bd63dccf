"""Overlays: color changes at full size, computed without a network.

Overlays are applied in bands of rows: first color replacements, then paint strokes, then the shading, then
adjustments such as vibrance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import groupby, pairwise

import cv2
import numpy as np
import torch
from PIL import ImageColor
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.lab import at_lightness, lab_to_linear_rgb, lightness_to_luminance, linear_rgb_to_lab
from colorzoo.guidance import ColorReplacement, PaintStroke, Recipe
from colorzoo.guidance.edits import Finish
from colorzoo.guidance.hints import color_lab
from colorzoo.inference.full_size import BicubicUpsampler, Overlay
from colorzoo.inference.steps.reach import Map

_LIGHTNESSES = 201  # number of lightness values in a color table; other values are interpolated linearly


def ab_at_lightness(color: str, lightness: Tensor) -> Tensor:
    """Return the ab ``(2, h, w)`` of a ``#rrggbb`` color at each lightness ``(h, w)``.

    The chroma is reduced where the color would lie outside sRGB at this lightness.
    """
    return _look_up(_ab_table(color), lightness)


def _look_up(table: Tensor, lightness: Tensor) -> Tensor:
    place = lightness.clamp(0, 100) * ((_LIGHTNESSES - 1) / 100)
    below = place.floor().clamp(max=_LIGHTNESSES - 2).long()
    part = place - below
    return table[:, below] * (1 - part) + table[:, below + 1] * part


@lru_cache(maxsize=64)
def _ab_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color at lightness values from 0 to 100."""
    lab = torch.tensor(color_lab(color)).view(3, 1, 1).expand(3, 1, _LIGHTNESSES)
    return at_lightness(lab, torch.linspace(0, 100, _LIGHTNESSES).view(1, 1, -1))[1:, 0]


@lru_cache(maxsize=64)
def _shaded_table(color: str) -> Tensor:
    """Return ab ``(2, _LIGHTNESSES)`` of a color with less chroma in dark pixels.

    In pixels darker than the color, the linear RGB of the color is scaled down, so the chroma decreases with
    the lightness.
    """
    lab = torch.tensor(color_lab(color)).view(3, 1)
    light = lightness_to_luminance(torch.linspace(0, 100, _LIGHTNESSES)) / lightness_to_luminance(lab[0])
    shaded = linear_rgb_to_lab(lab_to_linear_rgb(lab, dim=0) * light)[1:]
    return torch.where(light < 1, shaded, _ab_table(color))


_REPLACED_GRAY = 10.0  # chroma in CIE units below which colors are replaced with less weight
_REPLACED_GRAY_SHARE = 0.5  # upper limit of `_REPLACED_GRAY`, as a fraction of the old color's chroma
_REPLACED_MOST_CHROMA = 8.0  # largest factor on the chroma


def _replace_colors(
    replacements: Sequence[ColorReplacement], ab: Tensor, _lightness: Tensor, _first: int
) -> None:
    """Replace all colors of some hues with other colors; see `Overlay`.

    The hue of similar colors is rotated by the angle between the old and the new color, and their chroma is
    scaled.
    """
    for replacement in replacements:
        _, old_a, old_b = color_lab(replacement.old)
        _, new_a, new_b = color_lab(replacement.new)
        old_chroma, new_chroma = math.hypot(old_a, old_b), math.hypot(new_a, new_b)
        a, b = ab[0], ab[1]
        chroma = (a.square() + b.square()).sqrt()
        # The weight is 1 for hues within `range` degrees of the old hue. It decreases to 0 within the next
        # `fade` degrees, and for nearly gray colors.
        # sine and cosine of the angle between the hue of each pixel and the old hue, times the chroma
        across, along = (old_a * b - old_b * a) / old_chroma, (old_a * a + old_b * b) / old_chroma
        angle = torch.rad2deg(torch.atan2(across, along)).abs()  # in degrees
        last_angle = replacement.range + replacement.fade
        hue_weight = ((last_angle - angle) / max(replacement.fade, 1e-3)).clamp(0, 1)
        full_chroma = min(_REPLACED_GRAY, _REPLACED_GRAY_SHARE * old_chroma)
        chroma_weight = (chroma / full_chroma).clamp(max=1)
        weight = _smooth(hue_weight) * _smooth(chroma_weight)
        # rotate the hue
        turn = math.atan2(new_b, new_a) - math.atan2(old_b, old_a)  # in radians
        cosine, sine = math.cos(turn), math.sin(turn)
        rotated = torch.stack([cosine * a - sine * b, sine * a + cosine * b])
        # colors with more chroma than the old color gain the same amount, not the same factor
        factor = min(new_chroma / old_chroma, _REPLACED_MOST_CHROMA)
        gained = max(factor - 1, 0) * old_chroma / chroma.clamp(min=old_chroma)
        scaled = (min(factor, 1) + gained) * rotated
        ab += replacement.opacity * weight * (scaled - ab)


def _smooth(share: Tensor) -> Tensor:
    return share * share * (3 - 2 * share)


Cover = tuple[slice, slice, Map]  # rows, columns and coverage


_PAINT_LEAST_CHROMA = 1.0  # chroma in CIE units below which a color has no hue


def _paint(
    recipe: Recipe,
    image_size: tuple[int, int],
    shape: tuple[int, int],
    reaches: Sequence[BicubicUpsampler | None],
    on_paper: bool,
    ab: Tensor,
    lightness: Tensor,
    first: int,
) -> None:
    """Paint the brush strokes of a recipe, then multiply the colors by its shading; see `Overlay`.

    Later strokes cover earlier strokes. Shading strokes have the blend mode ``"multiply"``. In photos, they
    change only hue and chroma.

    Args:
        recipe: Recipe with strokes in pixels of the image. Its strength is a factor on their chroma, except
            for strokes on paper, which have their exact color.
        image_size: Width and height of the image.
        shape: Height and width of the result, which can differ from the image size.
        reaches: For each stroke, the mask ``(1, H, W)`` of the pixels that the stroke can change, or None for
            an unlimited stroke. Empty if all strokes are unlimited.
        on_paper: Whether the paint lies below the lines of a drawing. It then also changes the lightness.
        ab: ``(2, rows, W)`` of the band, changed in place.
        lightness: ``(rows, W)`` of the band, changed in place for drawings.
        first: First row of the band.
    """
    scale = image_size[0] / shape[1], image_size[1] / shape[0]
    strokes = [(number, stroke) for number, stroke in enumerate(recipe.paint) if stroke.blend != "multiply"]
    has_erasers = any(stroke.color is None for _, stroke in strokes)
    unpainted, unpainted_lightness = (ab.clone(), lightness.clone()) if has_erasers else (ab, lightness)
    for stroke, (rows, columns, coverage) in _coats(strokes, scale, reaches, first, ab):
        below, light = ab[:, rows, columns], lightness[rows, columns]
        target_light = light
        if stroke.color is None:
            target, target_light = unpainted[:, rows, columns], unpainted_lightness[rows, columns]
        elif on_paper and stroke.blend == "color":
            paint_light, *paint_ab = color_lab(stroke.color)
            target = torch.tensor(paint_ab).view(2, 1, 1).expand_as(below)
            target_light = torch.full_like(light, paint_light)
        else:
            target = _look_up(_shaded_table(stroke.color), light) * recipe.strength
            if stroke.blend != "color":  # blend modes of the W3C: hue and chroma of different colors
                hued, other = (target, below) if stroke.blend == "hue" else (below, target)
                target = hued * torch.hypot(*other) / torch.hypot(*hued).clamp(min=_PAINT_LEAST_CHROMA)
        opacity = torch.from_numpy(stroke.opacity * coverage)
        ab[:, rows, columns] += opacity * (target - below)
        if on_paper:
            lightness[rows, columns] += opacity * (target_light - light)
    # combine the shading strokes to a factor on sRGB, and multiply the colors by the factor
    strokes = [(number, stroke) for number, stroke in enumerate(recipe.paint) if stroke.blend == "multiply"]
    if not strokes:
        return
    shading = torch.ones(3, *lightness.shape)
    for stroke, (rows, columns, coverage) in _coats(strokes, scale, reaches, first, ab):
        rgb = (255, 255, 255) if stroke.color is None else ImageColor.getrgb(stroke.color)
        below = shading[:, rows, columns]
        target = torch.tensor(rgb).view(3, 1, 1) / 255
        shading[:, rows, columns] += torch.from_numpy(stroke.opacity * coverage) * (target - below)
    is_shaded = shading.amin(0) < 1
    if not is_shaded.any():
        return
    rgb_below = lab_to_rgb(torch.cat([lightness[None], ab])[None])[0].clamp(0, 1)
    lab = rgb_to_lab((rgb_below * shading)[None])[0]
    ab.copy_(torch.where(is_shaded, lab[1:], ab))
    if on_paper:
        lightness.copy_(torch.where(is_shaded, lab[0], lightness))


def _coats(
    strokes: Sequence[tuple[int, PaintStroke]],
    scale: tuple[float, float],
    reaches: Sequence[BicubicUpsampler | None],
    first: int,
    ab: Tensor,
) -> Iterator[tuple[PaintStroke, Cover]]:
    """Yield the first stroke and the coverage of each coat that touches a band.

    Consecutive strokes of one layer, color and blend mode are one coat, which is blended as one stroke.

    Args:
        strokes: Strokes with their numbers in the recipe.
        scale: See `_cover`.
        reaches: See `_paint`.
        first: First row of the band.
        ab: ``(2, rows, W)`` of the band.
    """
    band, width = (first, first + ab.shape[1]), ab.shape[2]

    def coat(numbered: tuple[int, PaintStroke]) -> tuple[object, ...]:
        number, stroke = numbered
        return (number if stroke.layer is None else -stroke.layer), stroke.color, stroke.blend

    for _, run in groupby(strokes, coat):
        numbered_strokes = list(run)
        covers = []
        for number, stroke in numbered_strokes:
            cover = _cover(stroke, scale, band, width)
            rows, columns, coverage = cover
            if not coverage.size:  # the stroke does not touch the band
                continue
            reach = reaches[number] if reaches else None
            if reach is not None:
                weight = reach.rows(first + rows.start, first + rows.stop)[0, :, columns]
                cover = rows, columns, coverage * weight.clamp(0, 1).numpy()
            covers.append(cover)
        if covers:
            yield numbered_strokes[0][1], _joined(covers)


def _joined(covers: Sequence[Cover]) -> Cover:
    """Return rows, columns and coverage of the union of several strokes."""
    if len(covers) == 1:
        return covers[0]
    rows, columns = (
        slice(min(each.start for each in some), max(each.stop for each in some))
        for some in zip(*(each[:2] for each in covers), strict=True)
    )
    bare = np.ones((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for down, across, share in covers:
        bare[
            down.start - rows.start : down.stop - rows.start,
            across.start - columns.start : across.stop - columns.start,
        ] *= 1 - share
    return rows, columns, 1 - bare


def _cover(stroke: PaintStroke, scale: tuple[float, float], band: tuple[int, int], width: int) -> Cover:
    """Return the coverage of a stroke in a band of a resized copy of the image.

    Args:
        stroke: Stroke of paint, in pixels of the image.
        scale: Number of image pixels per pixel of the copy, horizontally and vertically.
        band: First row of the band, and the row after the last row.
        width: Width of the copy in pixels.

    Returns:
        Rows of the stroke relative to the band, columns of the stroke, and its coverage in [0, 1].
    """
    pixel_size = max(scale)  # of the copy, in image pixels
    radius = stroke.size / 2
    # the coverage falls from 1 at the inner radius to 0 at the outer radius
    inner = min(stroke.hardness * radius, radius - pixel_size / 2)
    outer = max(radius, inner + pixel_size)  # a hard brush fades over one pixel
    # a single point becomes a segment of length 0
    path = stroke.path if len(stroke.path) > 1 else stroke.path * 2
    xs, ys = zip(*path, strict=True)
    columns = _covered(min(xs) - outer, max(xs) + outer, scale[0], (0, width))
    rows = _covered(min(ys) - outer, max(ys) + outer, scale[1], band)
    # squared distance of each pixel to the path
    window_shape = rows.stop - rows.start, columns.stop - columns.start
    squared_distances = np.full(window_shape, np.inf, np.float32)
    if squared_distances.size:  # the stroke touches the band
        for (x0, y0), (x1, y1) in pairwise(path):
            # only pixels near the segment
            near_rows = _covered(min(y0, y1) - outer, max(y0, y1) + outer, scale[1], (rows.start, rows.stop))
            near_columns = _covered(
                min(x0, x1) - outer, max(x0, x1) + outer, scale[0], (columns.start, columns.stop)
            )
            # pixel centers relative to the start of the segment
            right = _offsets(near_columns, scale[0], x0)
            below = _offsets(near_rows, scale[1], y0)[:, None]
            segment_squared = _squared_distance(right, below, x1 - x0, y1 - y0)
            near_squared = squared_distances[
                _relative_to(near_rows, rows.start), _relative_to(near_columns, columns.start)
            ]
            np.minimum(near_squared, segment_squared, out=near_squared)
    fade = (outer - np.sqrt(squared_distances)) / (outer - inner)
    np.clip(fade, 0, 1, out=fade)
    coverage: Map = (fade * fade * (3 - 2 * fade)).astype(np.float32)  # smoothstep
    if stroke.closed and coverage.size:
        corners = np.asarray(stroke.path) / scale - 0.5 - (columns.start, rows.start)
        inside = np.zeros(coverage.shape, np.uint8)
        cv2.fillPoly(inside, [np.rint(16 * corners).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        coverage = np.maximum(coverage, inside / np.float32(255))
    return _relative_to(rows, band[0]), columns, coverage


def _covered(low: float, high: float, scale: float, limits: tuple[int, int]) -> slice:
    """Return the range of pixel centers between two coordinates."""
    first = int(min(max(low / scale - 0.5, limits[0]), limits[1]))
    last = int(min(max(high / scale + 1.5, limits[0]), limits[1]))
    return slice(first, max(first, last))


def _offsets(pixels: slice, scale: float, origin: float) -> Map:
    """Return the positions of pixel centers of the copy relative to an origin, in pixels of the image."""
    offsets: Map = ((np.arange(pixels.start, pixels.stop) + 0.5) * scale - origin).astype(np.float32)
    return offsets


def _relative_to(pixels: slice, start: int) -> slice:
    """Return a range of pixels with ``start`` as the new origin."""
    return slice(pixels.start - start, pixels.stop - start)


def _squared_distance(right: Map, below: Map, dx: float, dy: float) -> Map:
    """Return the squared distances ``(h, w)`` to a segment from the origin to (dx, dy).

    Args:
        right: Horizontal positions ``(w,)``.
        below: Vertical positions ``(h, 1)``.
        dx: Horizontal extent of the segment.
        dy: Vertical extent of the segment.
    """
    squared_length = dx * dx + dy * dy
    fraction: Map = np.zeros((), np.float32)  # of the segment, at the nearest point
    if squared_length > 0:
        projection = (right * np.float32(dx) + below * np.float32(dy)) / np.float32(squared_length)
        fraction = np.clip(projection, 0, 1)
    horizontal, vertical = right - fraction * np.float32(dx), below - fraction * np.float32(dy)
    squared: Map = np.square(horizontal) + np.square(vertical)
    return squared


_FINISH_WARMEST = (5.0, 20.0)  # change of a and b in CIE units at a temperature of 100 and a lightness of 50
_FINISH_MOST_MAGENTA = (16.0, -6.0)  # change of a and b in CIE units at a tint of 100 and a lightness of 50
_FINISH_VIVID = 35.0  # chroma in CIE units at which vibrance has a third of its effect on gray


def _adjust_colors(finish: Finish, ab: Tensor, lightness: Tensor, _first: int) -> None:
    """Adjust all colors, for example their temperature and vibrance; see `Overlay`."""
    share = (lightness / 50 - 1).clamp(-1, 1)  # -1 for black, 1 for white
    pale = torch.exp(-ab.square().sum(dim=0).sqrt() / _FINISH_VIVID)
    factor = 1 + finish.vibrance / 100 * pale
    factor *= 1 + finish.shadows / 100 * (-share).clamp(min=0)
    factor *= 1 + finish.highlights / 100 * share.clamp(min=0)
    ab *= factor
    if finish.temperature or finish.tint:
        weight = 1 - share**4  # black and white stay neutral
        for channel in (0, 1):
            warmer = finish.temperature / 100 * _FINISH_WARMEST[channel]
            pinker = finish.tint / 100 * _FINISH_MOST_MAGENTA[channel]
            ab[channel] += (warmer + pinker) * weight


def overlays_of(
    recipe: Recipe,
    image_size: tuple[int, int],
    shape: Sequence[int],
    locked: Tensor | None = None,
    reaches: Sequence[Tensor | None] = (),
    *,
    on_paper: bool = False,
) -> tuple[Overlay, ...]:
    """Return the overlays of a recipe in the order of application.

    Args:
        recipe: Recipe with coordinates in pixels of the image.
        image_size: Width and height of the image.
        shape: Height and width of the result.
        locked: ``(h, w)`` mask of locked colors in [0, 1]; None without locks.
        reaches: For each paint stroke, the mask ``(h, w)`` in [0, 1] of the pixels that the stroke can
            change; see `ColorizedImage`.
        on_paper: Whether paint also changes the lightness, as below the lines of a drawing.
    """
    size = (int(shape[0]), int(shape[1]))
    overlays: list[Overlay] = []

    def outside_locks(overlay: Overlay) -> Overlay:
        """Return an overlay that does not change locked colors."""
        if locked is None:
            return overlay
        locked_mask = BicubicUpsampler(locked[None], size)

        def apply(ab: Tensor, lightness: Tensor, first: int) -> None:
            before = ab.clone()
            overlay(ab, lightness, first)
            share = locked_mask.rows(first, first + ab.shape[1]).clamp(0, 1)
            ab += share * (before - ab)

        return apply

    if recipe.replacements:
        overlays.append(outside_locks(partial(_replace_colors, recipe.replacements)))
    if recipe.paint:
        limits = tuple(None if reach is None else BicubicUpsampler(reach[None], size) for reach in reaches)
        overlays.append(partial(_paint, recipe, image_size, size, limits, on_paper))
    if recipe.finish is not None:
        overlays.append(outside_locks(partial(_adjust_colors, recipe.finish)))
    return tuple(overlays)
