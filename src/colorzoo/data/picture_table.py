"""What a DataModule knows of its pictures before any is opened: sources, labels, class maps and boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.sources import Sources


class Column(Protocol):
    """Anything with one entry per picture: `Sources`, `BoxTable`, `ClassMaps` or your own."""

    def __len__(self) -> int: ...

    def select(self, rows: Tensor) -> Any:
        """Return the entries at ``rows``, in that order."""


class BoxTable:
    """Boxes of each picture, in two flat tensors.

    Args:
        corners: ``(M, 4)`` float32, left, top, right, bottom as shares of the picture's width and height.
        ends: ``(N,)`` int64, where the boxes of each stored picture end in ``corners``.
        rows: Which of the stored pictures are in this view; None for all.
    """

    def __init__(self, corners: Tensor, ends: Tensor, rows: Tensor | None = None) -> None:
        self._corners, self._ends, self._rows = corners, ends, rows

    @classmethod
    def of(cls, per_picture: Iterable[Tensor]) -> BoxTable:
        """Pack one ``(K, 4)`` tensor per picture."""
        boxes = [torch.empty(0, 4), *per_picture]
        ends = torch.tensor([len(each) for each in boxes[1:]], dtype=torch.int64).cumsum(0)
        return cls(torch.cat(boxes), ends)

    def __len__(self) -> int:
        return len(self._ends) if self._rows is None else len(self._rows)

    def __getitem__(self, index: int) -> Tensor:
        row = index if self._rows is None else int(self._rows[index])
        start = int(self._ends[row - 1]) if row else 0
        return self._corners[start : int(self._ends[row])]

    def counts(self) -> Tensor:
        """Return the ``(N,)`` numbers of boxes."""
        counts = self._ends.diff(prepend=self._ends.new_zeros(1))
        return counts if self._rows is None else counts[self._rows.long()]

    def select(self, rows: Tensor) -> BoxTable:
        """Return a view of the pictures at ``rows``."""
        return BoxTable(self._corners, self._ends, rows if self._rows is None else self._rows[rows.long()])


@dataclass(frozen=True)
class ClassMaps:
    """Class maps of the pictures.

    Attributes:
        sources: One single-channel picture each, of the size of its picture.
        table: (256,) uint8, the class that each stored value stands for; 0 is unlabeled.
    """

    sources: Sources
    table: np.ndarray[Any, np.dtype[np.uint8]]

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> ClassMaps:
        """Return a view of the pictures at ``rows``."""
        return replace(self, sources=self.sources.select(rows))


@dataclass(frozen=True)
class Pictures:
    """The pictures of one split, column by column; a subclass may add columns (`Column` or Tensor, or None).

    Attributes:
        sources: Where the bytes are.
        labels: ``(N,)`` int64 class of each picture, if known and asked for.
        classes: Class maps, if asked for.
        boxes: Boxes, if asked for.
    """

    sources: Sources
    labels: Tensor | None = None
    classes: ClassMaps | None = None
    boxes: BoxTable | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> Self:
        """Return the pictures at ``rows``, in that order, with all they have."""
        return replace(self, **{field.name: _take(getattr(self, field.name), rows) for field in fields(self)})

    def first(self, count: int | None) -> Self:
        """Return the first ``count`` pictures, or all."""
        return self if count is None else self.select(torch.arange(min(count, len(self))))


def _take(column: Tensor | Column | None, rows: Tensor) -> Any:
    if column is None:
        return None
    return column[rows.long()] if isinstance(column, Tensor) else column.select(rows)
