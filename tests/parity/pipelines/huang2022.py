"""The published images before and after the networks, bit-exact, for comparison.

Images are squashed to the network's size and have 8 bits, lightness too. `Colorizer` keeps the lightness in
floats and works at any aspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.zoo.huang2022.model import Cell, Draw, resized, sample
from colorzoo.zoo.huang2022.network import CELL, Hints, HybridTransformer

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
Color = tuple[float, float, float]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two are behind the rectangle."""


@dataclass(frozen=True)
class CellColor:
    """Color hint of a cell; red, green and blue are 0 to 255, as in the published code."""

    cell: Cell
    rgb: Color


_SIDE = 256  # of the published network's image
_LEAST_PIXELS = 12  # of a stroke in a cell; a click alone has one

_SHORTEST, _LONGEST = 256, 1024
_ZOOM = 1.15


def limited_size(width: int, height: int) -> Size:
    """Return width and height of an image as the demo shows it: sides of 256 to 1024 pixels."""
    short, long = min(width, height), max(width, height)
    if short < _SHORTEST:
        wanted, side = _SHORTEST, short
    elif long > _LONGEST:
        wanted, side = _LONGEST, long
    else:
        return width, height
    return width * wanted // side, height * wanted // side


def gray_levels(rgb: Pixels) -> Pixels:
    """Return the gray copy ``(H, W)`` of ``(H, W, 3)``."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


def network_input(image: Pixels, size: Size | None = None) -> Tensor:
    """Return an image in the networks' input format, ``(1, C, h, w)`` in [-1, 1].

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``.
        size: Height and width; None takes the next smaller multiples of 16.
    """
    height, width = size or whole_cells(image.shape[0], image.shape[1])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return to_signed(np.asarray(resized))


def to_signed(image: Pixels) -> Tensor:
    """Return an image ``(1, C, H, W)`` in [-1, 1] of levels ``(H, W)`` or ``(H, W, 3)``."""
    levels = torch.from_numpy(np.atleast_3d(image).astype(np.float32))
    return (levels / 255 * 2 - 1).permute(2, 0, 1)[None]


def join(gray: Pixels, color: Pixels) -> Pixels:
    """Return a gray image ``(H, W)`` in the colors of an image ``(h, w, 3)``, in OpenCV's 8-bit Lab."""
    enlarged = resized(color, (gray.shape[0], gray.shape[1]))
    lab = cv2.cvtColor(enlarged, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.cvtColor(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), cv2.COLOR_RGB2LAB)[..., 0]
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


def whole_cells(height: int, width: int) -> Size:
    """Return the next smaller multiples of 16."""
    return height // CELL * CELL, width // CELL * CELL


def validation_crop(rgb: Pixels, side: int = 256) -> Pixels:
    """Return the middle of an image ``(H, W, 3)`` as validation cuts it: squashed, then cropped."""
    large = int(side * _ZOOM)
    start = round((large - side) / 2)
    return resized(rgb, (large, large))[start : start + side, start : start + side]


def add_stroke(
    hints: Sequence[CellColor], points: Sequence[Cell], rgb: Color, window: Cell, side: int = _SIDE
) -> list[CellColor]:
    """Return hints followed by the hints of a stroke; a cell with an older hint is moved to the end.

    Args:
        hints: Hints of earlier strokes.
        points: Row and column of the stroke's points in pixels of the shown image.
        rgb: Color of the stroke.
        window: Height and width of the shown image.
        side: Side of the network's image.
    """
    cells = stroke_cells(points, window, side)
    kept = [each for each in hints if each.cell not in set(cells)]
    return [*kept, *(CellColor(cell, rgb) for cell in cells)]


def stroke_cells(points: Sequence[Cell], window: Cell, side: int = _SIDE) -> list[Cell]:
    """Return the cells that a stroke covers with enough pixels, row by row; see `add_stroke`."""
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
        drawn: x and y of two corners in pixels of the shown image.
        window: Height and width of the shown image.
        side: Side of the network's image.
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


def _inside(one: Rectangle, other: Rectangle) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one[2] <= other[2] and one[3] <= other[3]


Area = tuple[int, int, int, int]
"""First row, first column, row after the last and column after the last."""


def windows(cells: Size, shape: Size, patch: Size, mask: Size) -> Iterator[tuple[Size, Area, Area, Area]]:
    """Yield center, read area, masked area and sampled area of the windows of the authors' second pass."""
    for row in range(patch[0] // 2, patch[0] * -(-cells[0] // patch[0]), patch[0]):
        for column in range(patch[1] // 2, patch[1] * -(-cells[1] // patch[1]), patch[1]):
            center = (row, column)
            top, left = (
                min(max(middle - side // 2, 0), length - side)
                for middle, side, length in zip(center, shape, cells, strict=True)
            )
            seen = (top, left, top + shape[0], left + shape[1])
            yield center, seen, _around(center, mask, cells), _around(center, patch, cells)


def relative(area: Area, other: Area) -> Area:
    """Return an area relative to the corner of another area."""
    return area[0] - other[0], area[1] - other[1], area[2] - other[0], area[3] - other[1]


def numbers_of(drawn: Area, seen: Area) -> list[int]:
    """Return row-major indices of the sampled cells within the read area."""
    top, left, bottom, right = relative(drawn, seen)
    return [row * (seen[3] - seen[1]) + column for row in range(top, bottom) for column in range(left, right)]


def regenerate(
    transformer: HybridTransformer,
    gray: Tensor,
    codes: Tensor,
    draw: Draw,
    shape: Size,
    patch: Size,
    mask: Size,
) -> Tensor:
    """Sample the codes of a grid again, window by window; later windows read earlier results."""
    codes = codes.clone()
    for _, seen, masked, drawn in windows((codes.shape[0], codes.shape[1]), shape, patch, mask):
        read = _cut(codes, seen).clone()
        _cut(read, relative(masked, seen)).fill_(transformer.mask_token)
        features = _cut(gray, seen).flatten(2).mT
        found = sample(transformer, features, read, numbers_of(drawn, seen), Hints.none(codes.device), draw)
        _cut(codes, drawn).copy_(_cut(found, relative(drawn, seen)))
    return codes


def _around(center: Size, size: Size, cells: Size) -> Area:
    starts = [middle - side // 2 for middle, side in zip(center, size, strict=True)]
    ends = [min(start + side, length) for start, side, length in zip(starts, size, cells, strict=True)]
    return max(starts[0], 0), max(starts[1], 0), ends[0], ends[1]


def _cut(maps: Tensor, area: Area) -> Tensor:
    return maps[..., area[0] : area[2], area[1] : area[3]]
