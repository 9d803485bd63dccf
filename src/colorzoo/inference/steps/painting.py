"""Paint strokes of a recipe at any image size, computed in bands of rows without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import torch
from torch import Tensor

from colorzoo.guidance import PaintStroke, PointHint
from colorzoo.guidance.paint import Blend
from colorzoo.inference.full_size import BicubicUpsampler
from colorzoo.inference.steps.lightness import ab_in_light
from colorzoo.inference.steps.reach import Map

Cover = tuple[slice, slice, Map]


@dataclass(frozen=True)
class PaintingConstants:
    """Constants of paint.

    Attributes:
        places: Maximum number of locations of a stroke from which its reach is computed.
        apart: Distance between these locations, in brush diameters.
        core: Half the side of a location, in brush diameters.
        least_chroma: Chroma in CIE units below which a color has no hue.
    """

    places: int = 64
    apart: float = 0.25
    core: float = 0.1
    least_chroma: float = 1.0


PAINTING = PaintingConstants()


@dataclass(frozen=True)
class Painting:
    """Strokes of paint on an image or on a smaller copy of it.

    Attributes:
        strokes: The strokes; later strokes cover earlier strokes.
        image_size: Width and height of the image.
        shape: Height and width of the copy.
        strength: Factor on the chroma.
        reaches: ``(1, H, W)`` reach mask of each stroke; None for unlimited strokes.
    """

    strokes: tuple[PaintStroke, ...]
    image_size: tuple[int, int]
    shape: tuple[int, int]
    strength: float
    reaches: tuple[BicubicUpsampler | None, ...]

    def add_to(self, ab: Tensor, lightness: Tensor, first: int) -> None:
        """Paint over the rows from ``first`` of an ab map, in place.

        Args:
            ab: ``(2, rows, W)`` in CIE units.
            lightness: ``(rows, W)`` lightness of the result there.
            first: Number of the first row.
        """
        scale = self.image_size[0] / self.shape[1], self.image_size[1] / self.shape[0]
        erases = any(stroke.color is None for stroke in self.strokes)
        below = ab.clone() if erases else ab
        for coat in self._coats():
            covers = []
            for stroke, reach in coat:
                brushed = _cover(stroke, scale, (first, first + ab.shape[1]), ab.shape[2])
                if brushed[2].size:
                    covers.append(brushed if reach is None else _within(reach, brushed, first))
            if not covers:
                continue
            rows, columns, cover = _joined(covers)
            top = coat[0][0]
            part, color = ab[:, rows, columns], top.color
            if color is None:
                wanted = below[:, rows, columns]
            else:
                painted = ab_in_light(color, lightness[rows, columns]) * self.strength
                wanted = _blended(top.blend, painted, part)
            part += torch.from_numpy(top.opacity * cover) * (wanted - part)

    def _coats(self) -> Iterator[list[tuple[PaintStroke, BicubicUpsampler | None]]]:
        """Yield groups of consecutive strokes of one layer, which are blended once."""

        def coat(number: int) -> tuple[object, ...]:
            stroke = self.strokes[number]
            return (number if stroke.layer is None else -stroke.layer), stroke.color, stroke.blend

        reaches = self.reaches or [None] * len(self.strokes)
        for _, run in groupby(range(len(self.strokes)), coat):
            yield [(self.strokes[number], reaches[number]) for number in run]


def points_along(stroke: PaintStroke) -> list[PointHint]:
    """Return evenly spaced locations along a stroke, from which its reach is computed."""
    path = np.array(stroke.path if len(stroke.path) > 1 else stroke.path * 2)
    lengths = np.hypot(*np.diff(path, axis=0).T)
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    apart = max(PAINTING.apart * stroke.size, 1.0)
    at = np.linspace(0, ends[-1], min(PAINTING.places, 1 + int(ends[-1] // apart)))
    xs, ys = (np.interp(at, ends, path[:, axis]).tolist() for axis in (0, 1))
    radius = PAINTING.core * stroke.size
    return [PointHint(x, y, radius, reach=stroke.reach) for x, y in zip(xs, ys, strict=True)]


def _blended(blend: Blend, painted: Tensor, below: Tensor) -> Tensor:
    """Return ab ``(2, h, w)`` of paint over other colors, as the blend modes of the W3C do."""
    if blend == "color":
        return painted
    hued, other = (painted, below) if blend == "hue" else (below, painted)
    return hued * torch.hypot(*other) / torch.hypot(*hued).clamp(min=PAINTING.least_chroma)


def _within(reach: BicubicUpsampler, cover: Cover, first: int) -> Cover:
    """Limit a coverage to the reach of its stroke, in a band that starts at row ``first``."""
    rows, columns, share = cover
    weight = reach.rows(first + rows.start, first + rows.stop)[0, :, columns]
    return rows, columns, share * weight.clamp(0, 1).numpy()


def _joined(covers: Sequence[Cover]) -> Cover:
    """Return rows, columns and coverage of the union of strokes."""
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
    """Return the rows and columns of a band that a stroke can cover, and its coverage.

    Args:
        stroke: The stroke.
        scale: Pixels of the image in one pixel of the copy, across and down.
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
    """Return the range of pixel centers between two coordinates."""
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
    """Update squared distances in a window with the distances to a line, in place."""
    (x0, y0), (x1, y1) = line
    rows, columns = window
    down = _covered(min(y0, y1) - outer, max(y0, y1) + outer, scale[1], (rows.start, rows.stop))
    across = _covered(min(x0, x1) - outer, max(x0, x1) + outer, scale[0], (columns.start, columns.stop))
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
