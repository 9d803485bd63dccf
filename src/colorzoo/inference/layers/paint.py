"""Brush strokes and shading strokes, painted over the colors at full size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise

import cv2
import numpy as np
import torch
from PIL import ImageColor
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import PaintStroke, PointHint
from colorzoo.guidance.hints import color_lab
from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit, extent_of
from colorzoo.inference.full_size import BicubicUpsampler, Overlay
from colorzoo.inference.steps.color_tables import look_up, shaded_table
from colorzoo.inference.steps.reach import Map

Cover = tuple[slice, slice, Map]  # rows, columns and coverage

_LEAST_CHROMA = 1.0  # chroma in CIE units below which a color has no hue
_MOST_POINTS = 64  # maximum number of points along a paint stroke that determine its reach
_APART = 0.25  # distance between these points in brush diameters
_CORE = 0.1  # half the side of a point's square in brush diameters


@dataclass(frozen=True)
class Paint:
    """Strokes of the recipe field ``paint``, which also cover locked colors.

    Strokes with the blend mode ``"multiply"`` are a layer of their own, which is applied after the others.

    Attributes:
        strokes: Strokes in pixels of the image; later strokes cover earlier strokes.
        reaches: For each stroke, the mask ``(h, w)`` in [0, 1] of the pixels that the stroke can change, or
            None for an unlimited stroke; computed by `apply`.
    """

    strokes: tuple[PaintStroke, ...]
    reaches: tuple[Tensor | None, ...] = ()

    @classmethod
    def of(cls, edit: Edit) -> tuple[Paint, ...]:
        """Return the layers of an edit: paint and shading."""
        shading = tuple(stroke for stroke in edit.recipe.paint if stroke.blend == "multiply")
        paint = tuple(stroke for stroke in edit.recipe.paint if stroke.blend != "multiply")
        return tuple(cls(strokes) for strokes in (paint, shading) if strokes)

    @property
    def title(self) -> str:
        """Name of the layer in an export."""
        return "Painted shading" if self.strokes[0].blend == "multiply" else "Paint"

    @property
    def shades(self) -> tuple[str, ...]:
        """Colors that multiply the colors below; empty for paint, which replaces them."""
        if self.strokes[0].blend != "multiply":
            return ()
        return tuple(dict.fromkeys(stroke.color for stroke in self.strokes if stroke.color is not None))

    def apply(self, canvas: Canvas) -> Canvas:
        """Add the strokes to the changes at full size."""
        reaches = tuple(_reach(canvas.edit, stroke) for stroke in self.strokes)
        return canvas.finished_by(replace(self, reaches=reaches))

    def overlay(self, canvas: Canvas, size: tuple[int, int]) -> Overlay:
        """Return the change of an image of ``size`` (height, width)."""
        limits = tuple(
            None if reach is None else BicubicUpsampler(reach[None], size) for reach in self.reaches
        )
        width, height = canvas.edit.image_size
        scale = width / size[1], height / size[0]
        if self.strokes[0].blend == "multiply":
            return partial(_shade, self.strokes, scale, limits, canvas.is_drawing)
        return partial(_paint, self.strokes, scale, limits, canvas.is_drawing, canvas.strength)


def _reach(edit: Edit, stroke: PaintStroke) -> Tensor | None:
    """Return the mask of the pixels that a stroke can change; None for all pixels."""
    if stroke.reach == "everywhere":
        return None
    # evenly spaced points along the stroke
    path = np.array(stroke.path if len(stroke.path) > 1 else stroke.path * 2)
    lengths = np.hypot(*np.diff(path, axis=0).T)
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    apart = max(_APART * stroke.size, 1.0)
    at = np.linspace(0, ends[-1], min(_MOST_POINTS, 1 + int(ends[-1] // apart)))
    xs, ys = (np.interp(at, ends, path[:, axis]).tolist() for axis in (0, 1))
    points = [PointHint(x, y, _CORE * stroke.size, reach=stroke.reach) for x, y in zip(xs, ys, strict=True)]
    width, height = edit.image_size
    inside = [point for point in points if 0 <= point.x <= width and 0 <= point.y <= height]
    return extent_of(edit, inside or points).weight


def _paint(
    strokes: Sequence[PaintStroke],
    scale: tuple[float, float],
    reaches: Sequence[BicubicUpsampler | None],
    on_paper: bool,
    strength: float,
    ab: Tensor,
    lightness: Tensor,
    first: int,
) -> None:
    """Paint brush strokes; later strokes cover earlier strokes. See `Overlay`.

    Args:
        strokes: Strokes in pixels of the image.
        scale: Number of image pixels per pixel of the result, horizontally and vertically.
        reaches: For each stroke, the mask ``(1, H, W)`` of the pixels that the stroke can change, or None for
            an unlimited stroke.
        on_paper: Whether the paint lies below the lines of a drawing. It then also changes the lightness.
        strength: Factor on the chroma of the strokes, except for strokes on paper, which have their exact
            color.
        ab: ``(2, rows, W)`` of the band, changed in place.
        lightness: ``(rows, W)`` of the band, changed in place for drawings.
        first: First row of the band.
    """
    has_erasers = any(stroke.color is None for stroke in strokes)
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
            target = look_up(shaded_table(stroke.color), light) * strength
            if stroke.blend != "color":  # blend modes of the W3C: hue and chroma of different colors
                hued, other = (target, below) if stroke.blend == "hue" else (below, target)
                target = hued * torch.hypot(*other) / torch.hypot(*hued).clamp(min=_LEAST_CHROMA)
        opacity = torch.from_numpy(stroke.opacity * coverage)
        ab[:, rows, columns] += opacity * (target - below)
        if on_paper:
            lightness[rows, columns] += opacity * (target_light - light)


def _shade(
    strokes: Sequence[PaintStroke],
    scale: tuple[float, float],
    reaches: Sequence[BicubicUpsampler | None],
    on_paper: bool,
    ab: Tensor,
    lightness: Tensor,
    first: int,
) -> None:
    """Multiply the colors by shading strokes; see `_paint`. In photos, only hue and chroma change."""
    # combine the strokes to a factor on sRGB
    shading = torch.ones(3, *lightness.shape)
    for stroke, (rows, columns, coverage) in _coats(strokes, scale, reaches, first, ab):
        rgb = (255, 255, 255) if stroke.color is None else ImageColor.getrgb(stroke.color)
        below = shading[:, rows, columns]
        target = torch.tensor(rgb).view(3, 1, 1) / 255
        shading[:, rows, columns] += torch.from_numpy(stroke.opacity * coverage) * (target - below)
    multiply_colors(shading, ab, lightness, on_paper)


def multiply_colors(factors: Tensor, ab: Tensor, lightness: Tensor, on_paper: bool) -> None:
    """Multiply the colors of a band, in place, by ``factors`` ``(3, rows, W)`` on sRGB; see `_paint`."""
    is_shaded = factors.amin(0) < 1
    if not is_shaded.any():
        return
    rgb_below = lab_to_rgb(torch.cat([lightness[None], ab])[None])[0].clamp(0, 1)
    lab = rgb_to_lab((rgb_below * factors)[None])[0]
    ab.copy_(torch.where(is_shaded, lab[1:], ab))
    if on_paper:
        lightness.copy_(torch.where(is_shaded, lab[0], lightness))


def _coats(
    strokes: Sequence[PaintStroke],
    scale: tuple[float, float],
    reaches: Sequence[BicubicUpsampler | None],
    first: int,
    ab: Tensor,
) -> Iterator[tuple[PaintStroke, Cover]]:
    """Yield the first stroke and the coverage of each coat that touches a band.

    Consecutive strokes of one layer, color and blend mode are one coat, which is blended as one stroke.

    Args:
        strokes: Strokes of one layer.
        scale: See `_cover`.
        reaches: See `_paint`.
        first: First row of the band.
        ab: ``(2, rows, W)`` of the band.
    """
    band, width = (first, first + ab.shape[1]), ab.shape[2]

    def coat(numbered: tuple[int, PaintStroke]) -> tuple[object, ...]:
        number, stroke = numbered
        return (number if stroke.layer is None else -stroke.layer), stroke.color, stroke.blend

    for _, run in groupby(enumerate(strokes), coat):
        numbered_strokes = list(run)
        covers = []
        for number, stroke in numbered_strokes:
            cover = _cover(stroke, scale, band, width)
            rows, columns, coverage = cover
            if not coverage.size:  # the stroke does not touch the band
                continue
            reach = reaches[number]
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
