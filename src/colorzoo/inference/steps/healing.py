"""Dust and scratches of an image, filled from around at its full size, before anything is colored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from colorzoo.guidance import Stroke
from colorzoo.guidance.rasterize import rasterize_scribbles
from colorzoo.pictures.picture import Levels

Box = tuple[int, int, int, int]  # left, top, and the ends on the right and below


@dataclass(frozen=True)
class HealingConstants:
    """Constants of healing.

    Attributes:
        radius: Pixels around one that decide its value. On scratches drawn into photos, 1 came nearer to what
            they had covered than 3, 5 and 10.
        around: Pixels around strokes that are looked at.
    """

    radius: float = 1.0
    around: int = 8


HEALING = HealingConstants()


def heal(levels: Levels, strokes: Sequence[Stroke]) -> Levels:
    """Return an image whose pixels under strokes are filled from those around them.

    The order of strokes does not matter: what one covers is no source for another.

    Args:
        levels: ``(H, W)`` or ``(H, W, 3)`` of any depth; it stays as it is.
        strokes: Strokes in its pixels; without any, the image itself is returned.
    """
    height, width = levels.shape[:2]
    boxed = [(_box(stroke, width, height), stroke) for stroke in strokes]
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
        for channel in range(planes.shape[2]):
            plane = np.ascontiguousarray(planes[..., channel])
            planes[..., channel] = cv2.inpaint(plane, covered, HEALING.radius, cv2.INPAINT_NS)
    return healed


def _box(stroke: Stroke, width: int, height: int) -> Box:
    """Return the pixels that a stroke covers with those around it, within an image."""
    xs, ys = zip(*stroke.path, strict=True)
    margin = stroke.width / 2 + 1 + HEALING.around
    left, right = (round(min(max(x, 0), width)) for x in (min(xs) - margin, max(xs) + margin))
    top, bottom = (round(min(max(y, 0), height)) for y in (min(ys) - margin, max(ys) + margin))
    return left, top, right, bottom


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """Return boxes that cover the same and do not overlap each other."""
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
