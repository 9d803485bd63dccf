"""Hints of every control as colors of cells: strokes, rectangles to color again, exemplars.

A cell is a square of 16 x 16 pixels of the network's picture. Colors are RGB in [0, 255] here, as published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from colorzoo.zoo.huang2022.transformer import Hints
from colorzoo.zoo.huang2022.vqgan import CELL

Cell = tuple[int, int]
Color = tuple[float, float, float]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two are behind the rectangle."""

_SIDE = 256  # of the published network's picture
_LEAST_PIXELS = 12  # of a stroke in a cell; a click alone has one
_SURE, _AT_LEAST = 0.23, 5  # similarity of an exemplar that is sure enough, and cells that get hints anyway


@dataclass(frozen=True)
class CellColor:
    """The hint of a cell.

    Attributes:
        cell: Row and column.
        rgb: Its color, 0 to 255.
    """

    cell: Cell
    rgb: Color


def to_hints(found: Sequence[CellColor]) -> Hints:
    """Return the hints of a picture as the transformer reads them."""
    if not found:
        return Hints.none()
    cells = torch.tensor([(0, *each.cell) for each in found])
    rgb = torch.tensor([each.rgb for each in found], dtype=torch.float32)
    return Hints(cells, rgb / 255 * 2 - 1)


def add_stroke(
    hints: Sequence[CellColor], points: Sequence[Cell], rgb: Color, window: Cell, side: int = _SIDE
) -> list[CellColor]:
    """Return hints with those of a stroke behind them; a cell with an older hint is moved to the end.

    Args:
        hints: Hints of earlier strokes.
        points: Row and column of the stroke's points in pixels of the shown picture.
        rgb: Color of the stroke.
        window: Height and width of the shown picture.
        side: Side of the network's picture.
    """
    cells = stroke_cells(points, window, side)
    kept = [each for each in hints if each.cell not in set(cells)]
    return [*kept, *(CellColor(cell, rgb) for cell in cells)]


def stroke_cells(points: Sequence[Cell], window: Cell, side: int = _SIDE) -> list[Cell]:
    """Return the cells that a stroke covers with enough pixels, row by row; arguments as of `add_stroke`."""
    scaled = [(int(row / window[0] * side), int(column / window[1] * side)) for row, column in points]
    covered = np.zeros((side // CELL, side // CELL), dtype=np.int64)
    for start, end in pairwise(scaled):
        for row, column in line_pixels(start, end):
            place = row // CELL, column // CELL
            if max(place) < len(covered):
                covered[place] += 1
    return [(int(row), int(column)) for row, column in np.argwhere(covered >= _LEAST_PIXELS)]


def line_pixels(start: Cell, end: Cell) -> Iterator[Cell]:
    """Yield the pixels of a line by Bresenham's algorithm, both ends included."""
    steep = abs(end[0] - start[0]) > abs(end[1] - start[1])
    (y0, x0), (y1, x1) = (start, end) if not steep else (start[::-1], end[::-1])
    if x0 > x1:
        (y0, x0), (y1, x1) = (y1, x1), (y0, x0)
    error, y = (x1 - x0) // 2, y0
    for x in range(x0, x1 + 1):
        yield (x, y) if steep else (y, x)
        error -= abs(y1 - y0)
        if error < 0:
            y += 1 if y0 < y1 else -1
            error += x1 - x0


def add_rectangle(
    kept: Sequence[Rectangle], drawn: Rectangle, window: Cell, side: int = _SIDE
) -> list[Rectangle]:
    """Return the rectangles to color again, in cells, with a new one unless it lies in another.

    Args:
        kept: Earlier ones, in cells; those inside the new one are dropped.
        drawn: x and y of two corners in pixels of the shown picture.
        window: Height and width of the shown picture.
        side: Side of the network's picture.
    """
    x0, y0, x1, y1 = drawn
    height, width = window
    xs, ys = (sorted(pair) for pair in ((x0, x1), (y0, y1)))
    left, right = (x / width * side / CELL for x in xs)
    top, bottom = (y / height * side / CELL for y in ys)
    new = (int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom)))
    outside = [each for each in kept if not _inside(each, new)]
    return outside if any(_inside(new, each) for each in outside) else [*outside, new]


def rectangle_cells(rectangles: Iterable[Rectangle]) -> list[Cell]:
    """Return the cells of all rectangles, sorted, each once."""
    return sorted(
        {
            (row, column)
            for left, top, right, bottom in rectangles
            for row in range(top, bottom)
            for column in range(left, right)
        }
    )


def join_sources(found: Iterable[CellColor]) -> list[CellColor]:
    """Return the first hint of each cell, its color cut to whole levels; strokes come before exemplars."""
    first: dict[Cell, CellColor] = {}
    for each in found:
        red, green, blue = (int(value) for value in each.rgb)
        first.setdefault(each.cell, CellColor(each.cell, (red, green, blue)))
    return list(first.values())


def exemplar_hints(warped: NDArray[np.uint8], similarity: NDArray[np.float32]) -> list[CellColor]:
    """Return the hints of an exemplar: the mean colors of the cells that it resembles.

    Args:
        warped: ``(H, W, 3)``, the exemplar's colors at the places of the network's picture.
        similarity: ``(h, w)`` cosines of the match.
    """
    rows, columns = warped.shape[0] // CELL, warped.shape[1] // CELL
    small = shrink_similarity(similarity, (rows, columns))
    least = min(_SURE, float(np.sort(small, axis=None)[-min(_AT_LEAST, small.size)]))
    means = warped.reshape(rows, CELL, columns, CELL, 3).astype(np.float64).mean(axis=(1, 3))
    found = []
    for row, column in np.argwhere(small >= least):
        red, green, blue = means[row, column]
        found.append(CellColor((int(row), int(column)), (float(red), float(green), float(blue))))
    return found


def shrink_similarity(similarity: NDArray[np.float32], cells: Cell) -> NDArray[np.float32]:
    """Return the similarity of rows and columns of cells, bilinear without antialiasing, as published."""
    large = similarity.repeat(4, axis=0).repeat(4, axis=1)
    shrunk = cv2.resize(large, (cells[1], cells[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shrunk, dtype=np.float32)


def frequent_color(patch: NDArray[np.uint8]) -> Color:
    """Return the most frequent color of ``(h, w, 3)``; among equally frequent ones the smallest."""
    colors, counts = np.unique(patch.reshape(-1, 3), axis=0, return_counts=True)
    red, green, blue = colors[counts.argmax()].tolist()
    return red, green, blue


def _inside(one: Rectangle, other: Rectangle) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one[2] <= other[2] and one[3] <= other[3]
