"""Inpainting of dust and scratches at full size before colorization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from colorzoo.guidance import Stroke
from colorzoo.guidance.hints import rasterize_scribbles
from colorzoo.image_io.raster_image import Levels

Box = tuple[int, int, int, int]  # first column, first row, end column and end row


# inpainting radius in pixels; 1 has a lower error on synthetic scratches than 3, 5 and 10
_HEALING_RADIUS = 1.0
_HEALING_AROUND = 8  # margin in pixels around strokes that inpainting uses
# minimum width in pixels of strokes that cover objects instead of scratches. Their fill is smooth, because
# inpainting would continue the dark edge of an object into the hole
_HEALING_WIDE = 12.0
_HEALING_EDGE = 0.15  # growth of a wide stroke, relative to its width, so that it covers the object's edge


def heal(levels: Levels, strokes: Sequence[Stroke]) -> Levels:
    """Inpaint the pixels under strokes from their surroundings.

    The order of strokes does not matter, because pixels under a stroke never fill other pixels.

    Args:
        levels: Image ``(H, W)`` or ``(H, W, 3)`` of any bit depth, which is not modified.
        strokes: Strokes in pixels of the image. Without strokes, ``levels`` is returned.
    """
    height, width = levels.shape[:2]
    boxed = [(_box(stroke, width, height), stroke) for stroke in map(_grown, strokes)]
    boxed = [(box, stroke) for box, stroke in boxed if box[0] < box[2] and box[1] < box[3]]
    healed = levels
    for group in _joined([box for box, _ in boxed]):
        left, top, right, bottom = group
        size = (bottom - top, right - left)
        moved = [
            replace(stroke, path=tuple((x - left, y - top) for x, y in stroke.path))
            for box, stroke in boxed
            if _overlap(box, group)
        ]
        drawn = rasterize_scribbles(moved, size[1], size[0], size)
        if drawn is None or not drawn.mask.any():
            continue
        covered = drawn.mask[0, 0].numpy().astype(np.uint8)
        if healed is levels:
            healed = levels.copy()
        part = healed[top:bottom, left:right]
        planes = part[..., None] if part.ndim == 2 else part
        is_object = any(stroke.width >= _HEALING_WIDE for stroke in moved)
        for channel in range(planes.shape[2]):
            plane = np.ascontiguousarray(planes[..., channel])
            if is_object:
                filled = _fill_smoothly(plane.astype(np.float32), covered > 0)
                planes[..., channel] = filled if plane.dtype.kind == "f" else filled.round()
            else:
                planes[..., channel] = cv2.inpaint(plane, covered, _HEALING_RADIUS, cv2.INPAINT_NS)
    return healed


def _grown(stroke: Stroke) -> Stroke:
    """Widen the stroke of an object so that it covers the object's edge."""
    return (
        stroke if stroke.width < _HEALING_WIDE else replace(stroke, width=stroke.width * (1 + _HEALING_EDGE))
    )


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


def _box(stroke: Stroke, width: int, height: int) -> Box:
    """Return the bounding box of a stroke with its margin, within the image."""
    xs, ys = zip(*stroke.path, strict=True)
    margin = (
        stroke.width / 2 + 1 + max(_HEALING_AROUND, stroke.width / 2 if stroke.width >= _HEALING_WIDE else 0)
    )
    left, right = (round(min(max(x, 0), width)) for x in (min(xs) - margin, max(xs) + margin))
    top, bottom = (round(min(max(y, 0), height)) for y in (min(ys) - margin, max(ys) + margin))
    return left, top, right, bottom


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
