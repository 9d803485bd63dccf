"""The second pass over a larger picture: windows of the transformer's size, which repaint their middles.

It is in the authors' code and off in their demo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from colorzoo.zoo.huang2022.sampling import Draw, sample
from colorzoo.zoo.huang2022.transformer import Hints, HybridTransformer

Size = tuple[int, int]


@dataclass(frozen=True)
class Area:
    """A rectangle of cells.

    Attributes:
        top: First row.
        left: First column.
        bottom: Row behind the last.
        right: Column behind the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    def within(self, other: Area) -> Area:
        """Return the same rectangle, counted from the corner of another one."""
        top, left = other.top, other.left
        return Area(self.top - top, self.left - left, self.bottom - top, self.right - left)

    def of(self, cells: Tensor) -> Tensor:
        """Return the part of ``(..., rows, columns)``."""
        return cells[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Window:
    """One step of the pass.

    Attributes:
        center: Row and column.
        seen: What the transformer sees.
        masked: Cells whose codes are forgotten.
        drawn: Cells whose codes are drawn.
    """

    center: Size
    seen: Area
    masked: Area
    drawn: Area

    def numbers(self) -> list[int]:
        """Return the numbers of the drawn cells within what is seen, row by row."""
        inside, columns = self.drawn.within(self.seen), self.seen.right - self.seen.left
        return [
            row * columns + column
            for row in range(inside.top, inside.bottom)
            for column in range(inside.left, inside.right)
        ]


def windows(cells: Size, shape: Size, patch: Size, mask: Size) -> Iterator[Window]:
    """Yield the windows of a map, row by row.

    Args:
        cells: Rows and columns of the map, at least as many as of ``shape``.
        shape: Rows and columns that the transformer sees.
        patch: Of the drawn cells, and from window to window.
        mask: Of the forgotten cells.
    """
    for row in _centers(cells[0], patch[0]):
        for column in _centers(cells[1], patch[1]):
            center = (row, column)
            seen = [
                min(max(middle - side // 2, 0), length - side)
                for middle, side, length in zip(center, shape, cells, strict=True)
            ]
            yield Window(
                center,
                Area(seen[0], seen[1], seen[0] + shape[0], seen[1] + shape[1]),
                _around(center, mask, cells),
                _around(center, patch, cells),
            )


def repaint(
    transformer: HybridTransformer,
    gray: Tensor,
    codes: Tensor,
    draw: Draw,
    shape: Size,
    patch: Size,
    mask: Size,
) -> Tensor:
    """Draw the codes of a whole map anew, window by window; later windows see earlier results.

    Args:
        transformer: The transformer.
        gray: Gray features ``(1, G, rows, columns)``.
        codes: ``(rows, columns)`` of a colored picture.
        draw: See `sample`; steps are counted within a window.
        shape: See `windows`.
        patch: See `windows`.
        mask: See `windows`.
    """
    codes = codes.clone()
    for window in windows((codes.shape[0], codes.shape[1]), shape, patch, mask):
        seen = window.seen.of(codes).clone()
        window.masked.within(window.seen).of(seen).fill_(transformer.mask_token)
        features = window.seen.of(gray).flatten(2).mT
        found = sample(transformer, features, seen, window.numbers(), Hints.none(codes.device), draw)
        window.drawn.of(codes).copy_(window.drawn.within(window.seen).of(found))
    return codes


def _centers(length: int, patch: int) -> list[int]:
    return [patch // 2 + index * patch for index in range(-(-length // patch))]


def _around(center: Size, size: Size, cells: Size) -> Area:
    """Return an area around a cell, cut to the map."""
    starts = [middle - side // 2 for middle, side in zip(center, size, strict=True)]
    ends = [start + side for start, side in zip(starts, size, strict=True)]
    top, left = (max(start, 0) for start in starts)
    bottom, right = (min(end, length) for end, length in zip(ends, cells, strict=True))
    return Area(top, left, bottom, right)
