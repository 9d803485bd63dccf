"""Paint of a recipe at any size of its picture, a band of rows at a time; no network takes part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import torch
from torch import Tensor

from colorzoo.guidance import PaintStroke
from colorzoo.inference.steps.lightness import ab_in_light
from colorzoo.inference.steps.reach import Map

Cover = tuple[slice, slice, Map]


@dataclass(frozen=True)
class Painting:
    """Strokes of paint on a picture or on a smaller copy of it.

    Attributes:
        strokes: The strokes, later ones above earlier ones.
        picture_size: Width and height of the picture.
        shape: Height and width of the copy.
        strength: Factor on the chroma.
    """

    strokes: tuple[PaintStroke, ...]
    picture_size: tuple[int, int]
    shape: tuple[int, int]
    strength: float = 1.0

    def add_to(self, ab: Tensor, lightness: Tensor, first: int) -> None:
        """Paint over the rows from ``first`` of an ab map, in place.

        Args:
            ab: ``(2, rows, W)`` in CIE units.
            lightness: ``(rows, W)`` lightness of the result there.
            first: Number of the first row.
        """
        scale = self.picture_size[0] / self.shape[1], self.picture_size[1] / self.shape[0]
        erases = any(stroke.color is None for stroke in self.strokes)
        below = ab.clone() if erases else ab
        for coat in _coats(self.strokes):
            covers = [_cover(stroke, scale, (first, first + ab.shape[1]), ab.shape[2]) for stroke in coat]
            covers = [each for each in covers if each[2].size]
            if not covers:
                continue
            rows, columns, cover = _joined(covers)
            part, color = ab[:, rows, columns], coat[0].color
            if color is None:
                wanted = below[:, rows, columns]
            else:
                wanted = ab_in_light(color, lightness[rows, columns]) * self.strength
            part += torch.from_numpy(coat[0].opacity * cover) * (wanted - part)


def _coats(strokes: Sequence[PaintStroke]) -> Iterator[tuple[PaintStroke, ...]]:
    """Yield the strokes that are laid as one: those of a layer that follow each other, or one alone."""

    def coat(numbered: tuple[int, PaintStroke]) -> tuple[int, str | None]:
        number, stroke = numbered
        return (number if stroke.layer is None else -stroke.layer), stroke.color

    for _, run in groupby(enumerate(strokes), coat):
        yield tuple(stroke for _, stroke in run)


def _joined(covers: Sequence[Cover]) -> Cover:
    """Return rows, columns and share of what strokes cover together."""
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
    """Return the rows of a band and the columns that a stroke may cover, and the share that it covers there.

    Args:
        stroke: The stroke.
        scale: Pixels of the picture in one pixel of the copy, across and down.
        band: First row and the one after the last.
        width: Columns of the copy.
    """
    pixel, radius = max(scale), stroke.size / 2
    inner = min(stroke.hardness * radius, radius - pixel / 2)
    outer = max(radius, inner + pixel)  # a hard brush fades over one pixel
    path = stroke.path if len(stroke.path) > 1 else stroke.path * 2
    xs, ys = zip(*path, strict=True)
    columns = _covered(min(xs) - outer, max(xs) + outer, scale[0], (0, width))
    rows = _covered(min(ys) - outer, max(ys) + outer, scale[1], band)
    squared = np.full((rows.stop - rows.start, columns.stop - columns.start), np.inf, np.float32)
    if squared.size:
        for start, end in pairwise(path):
            _approach(squared, (start, end), outer, scale, (rows, columns))
    away = (outer - np.sqrt(squared)) / (outer - inner)
    share = np.clip(away, 0, 1, out=away)
    covered: Map = (share * share * (3 - 2 * share)).astype(np.float32)
    return slice(rows.start - band[0], rows.stop - band[0]), columns, covered


def _covered(low: float, high: float, scale: float, limits: tuple[int, int]) -> slice:
    """Return the pixels whose centers may lie between two places of the picture."""
    first = int(min(max(low / scale - 0.5, limits[0]), limits[1]))
    last = int(min(max(high / scale + 1.5, limits[0]), limits[1]))
    return slice(first, max(first, last))


def _approach(
    squared: Map,
    line: tuple[tuple[float, float], tuple[float, float]],
    outer: float,
    scale: tuple[float, float],
    window: tuple[slice, slice],
) -> None:
    """Lower the squared distances in a window to those from a line, where it is nearer, in place."""
    (x0, y0), (x1, y1) = line
    rows, columns = window
    down = _covered(min(y0, y1) - outer, max(y0, y1) + outer, scale[1], (rows.start, rows.stop))
    across = _covered(min(x0, x1) - outer, max(x0, x1) + outer, scale[0], (columns.start, columns.stop))
    if down.start == down.stop or across.start == across.stop:
        return
    dx, dy = x1 - x0, y1 - y0
    right = ((np.arange(across.start, across.stop) + 0.5) * scale[0] - x0).astype(np.float32)
    below = ((np.arange(down.start, down.stop) + 0.5) * scale[1] - y0).astype(np.float32)[:, None]
    length = dx * dx + dy * dy
    along: Map = np.zeros((), np.float32)
    if length > 0:
        along = np.clip((right * np.float32(dx) + below * np.float32(dy)) / np.float32(length), 0, 1)
    distance = np.square(right - along * np.float32(dx)) + np.square(below - along * np.float32(dy))
    part = squared[
        down.start - rows.start : down.stop - rows.start,
        across.start - columns.start : across.stop - columns.start,
    ]
    np.minimum(part, distance, out=part)
