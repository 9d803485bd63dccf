"""Inpainting of dust and scratches at full size before colorization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorzoo.guidance import Stroke
from colorzoo.guidance.hints import rasterize_scribbles
from colorzoo.image_io.raster_image import RasterImage, fill_hidden
from colorzoo.pixels.raster import AlphaArray, Levels

Box = tuple[int, int, int, int]  # first column, first row, end column and end row


# inpainting radius in pixels; 1 has a lower error on synthetic scratches than 3, 5 and 10
_HEALING_RADIUS = 1.0
_HEALING_AROUND = 8  # margin in pixels around strokes that inpainting uses
# minimum width in pixels of strokes that cover objects instead of scratches. Their fill is smooth, because
# inpainting would continue the dark edge of an object into the hole
_HEALING_WIDE = 12.0
_HEALING_EDGE = 0.15  # growth of a wide stroke, relative to its width, so that it covers the object's edge


def heal(levels: Levels, strokes: Sequence[Stroke], alpha: AlphaArray | None = None) -> Levels:
    """Inpaint the pixels under strokes from their surroundings.

    Strokes that touch are filled together; a stroke does not change the fill of distant strokes. The order of
    strokes does not matter, because pixels under a stroke never fill other pixels.

    Examples:
        >>> from colorzoo.guidance import Stroke
        >>> levels = np.full((32, 48), 120, dtype=np.uint8)
        >>> levels[10:12, 10:20] = 255
        >>> healed = heal(levels, [Stroke(path=((10, 11), (20, 11)), width=6)])
        >>> int(healed.max())
        120

    Args:
        levels: Image ``(H, W)`` or ``(H, W, 3)`` of any bit depth, which is not modified.
        strokes: Strokes in pixels of the image. Without strokes, ``levels`` is returned.
        alpha: Alpha channel ``(H, W)``, so that hidden colors of transparent pixels do not fill other pixels;
            None for an opaque image.
    """
    if not strokes:
        return levels
    stored, levels = levels, fill_hidden(RasterImage(levels, alpha)).levels
    height, width = levels.shape[:2]
    visible = []
    for stroke in strokes:
        margin = stroke.width / 2 + 1 + _HEALING_AROUND
        if stroke.width >= _HEALING_WIDE:  # widen the stroke so that it covers the edge of the object
            stroke = replace(stroke, width=stroke.width * (1 + _HEALING_EDGE))
            margin = stroke.width / 2 + 1 + max(_HEALING_AROUND, stroke.width / 2)
        # bounding box of the stroke with its margin, within the image
        xs, ys = zip(*stroke.path, strict=True)
        left, right = (round(min(max(x, 0), width)) for x in (min(xs) - margin, max(xs) + margin))
        top, bottom = (round(min(max(y, 0), height)) for y in (min(ys) - margin, max(ys) + margin))
        if left < right and top < bottom:  # false for strokes outside the image
            visible.append(((left, top, right, bottom), stroke))
    healed = levels
    # the masks of a group of overlapping strokes need less memory than masks of the image
    for window in _joined([box for box, _ in visible]):
        left, top, right, bottom = window
        moved = [
            replace(stroke, path=tuple((x - left, y - top) for x, y in stroke.path))
            for box, stroke in visible
            if _overlap(box, window)
        ]
        size = (bottom - top, right - left)
        covered = _drawn(moved, size)
        if not covered.any():
            continue
        if healed is levels:  # copy once, before the first change
            healed = levels.copy()
        wide_strokes = [stroke for stroke in moved if stroke.width >= _HEALING_WIDE]
        objects = _drawn(wide_strokes, size)
        _fill_components(healed[top:bottom, left:right], covered, objects)
    return healed if alpha is None else np.where(healed == levels, stored, healed)


def _drawn(strokes: Sequence[Stroke], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask ``(h, w)`` of strokes in an image of this height and width."""
    drawn = rasterize_scribbles(strokes, size[1], size[0], size)
    return np.zeros(size, bool) if drawn is None else drawn.mask[0, 0].numpy() > 0


def _fill_components(levels: Levels, covered: NDArray[np.bool_], objects: NDArray[np.bool_]) -> None:
    """Fill each connected component of covered pixels in place.

    Args:
        levels: Image ``(h, w)`` or ``(h, w, 3)``.
        covered: Pixels under strokes.
        objects: Pixels under wide strokes, which cover objects.
    """
    planes = levels[..., None] if levels.ndim == 2 else levels
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(covered.astype(np.uint8))
    object_numbers = np.unique(labels[objects])
    for number in range(1, count):
        left, top, width, height = boxes[number, :4].tolist()
        is_object = number in object_numbers
        margin = _HEALING_AROUND
        if is_object:
            # at least the largest distance of a pixel of the component from its edge
            component = labels[top : top + height, left : left + width] == number
            padded = np.pad(component.astype(np.uint8), 1)
            depth = float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max())
            margin = max(margin, math.ceil(depth))
        rows = slice(max(top - margin, 0), top + height + margin)
        columns = slice(max(left - margin, 0), left + width + margin)
        replaced = labels[rows, columns] == number
        unknown = covered[rows, columns]
        if is_object:  # the coarse levels of the fill would spread the colors of distant pixels
            outside = (~replaced).astype(np.uint8)
            is_distant = cv2.distanceTransform(outside, cv2.DIST_L2, 5) > margin
            unknown = unknown | is_distant
        for channel in range(planes.shape[2]):
            part = planes[rows, columns, channel]  # a view of `levels`
            filled: NDArray[Any]
            if is_object:
                filled = _fill_smoothly(part.astype(np.float32), unknown)
                if part.dtype.kind != "f":
                    filled = filled.round()
            else:  # continue the edges (Navier-Stokes)
                plane = np.ascontiguousarray(part)
                filled = cv2.inpaint(plane, unknown.astype(np.uint8), _HEALING_RADIUS, cv2.INPAINT_NS)
            part[replaced] = filled[replaced]


def _fill_smoothly(plane: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill covered pixels with local means, from coarse to fine (pull-push, Gortler 1996)."""
    height, width = plane.shape
    if not covered.any():
        return plane
    if covered.all() or min(height, width) == 1:
        return np.where(covered, plane[~covered].mean() if (~covered).any() else 0, plane).astype(np.float32)
    known = (~covered).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    means = cv2.resize(plane * known, half, interpolation=cv2.INTER_AREA) / np.maximum(weight, 1e-6)
    coarse = _fill_smoothly(means, weight < 1e-6)
    enlarged = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(covered, enlarged, plane)


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """Merge overlapping boxes."""
    apart: list[Box] = []
    for box in boxes:
        while overlapping := [other for other in apart if _overlap(box, other)]:
            apart = [other for other in apart if other not in overlapping]
            lefts, tops, rights, bottoms = zip(box, *overlapping, strict=True)
            box = (min(lefts), min(tops), max(rights), max(bottoms))
        apart.append(box)
    return apart


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
