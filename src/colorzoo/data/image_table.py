"""Table of a split's images: locations, labels, class maps, boxes, references or sketches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.sources import Sources, StoredImage


class Column(Protocol):
    """Column of `ImageTable`: `Sources`, `BoxTable`, `ClassMaps` or `Partners`."""

    def __len__(self) -> int: ...

    def select(self, rows: Tensor) -> Any:
        """Return the entries at ``rows`` in that order."""


class _Ragged:
    """Variable number of entries per image, stored consecutively.

    Args:
        values: All entries.
        ends: ``(N,)`` int64 index in ``values`` after the last entry of each stored image.
        rows: Rows of the stored images in this view; None selects all rows.
    """

    def __init__(self, values: Any, ends: Tensor, rows: Tensor | None = None) -> None:
        self._values, self._ends, self._rows = values, ends, rows

    def __len__(self) -> int:
        return len(self._ends) if self._rows is None else len(self._rows)

    def __getitem__(self, index: int) -> Any:
        row = range(len(self))[index] if self._rows is None else int(self._rows[index])
        return self._values[int(self._ends[row - 1]) if row else 0 : int(self._ends[row])]

    def counts(self) -> Tensor:
        """Return the number of entries of each image, ``(N,)``."""
        counts = self._ends.diff(prepend=self._ends.new_zeros(1))
        return counts if self._rows is None else counts[self._rows.long()]

    def select(self, rows: Tensor) -> Self:
        """Return a view of the images at ``rows``."""
        return type(self)(self._values, self._ends, rows if self._rows is None else self._rows[rows.long()])


def _ends(lists: Sequence[Sequence[Any]] | Sequence[Tensor]) -> Tensor:
    return torch.tensor([len(each) for each in lists], dtype=torch.int64).cumsum(0)


class BoxTable(_Ragged):
    """Relative boxes of each image, ``(K, 4)`` float32: left, top, right, bottom in [0, 1]."""

    @classmethod
    def of(cls, per_image: Iterable[Tensor]) -> BoxTable:
        """Pack one ``(K, 4)`` tensor per image."""
        boxes = list(per_image)
        return cls(torch.cat([torch.empty(0, 4), *boxes]), _ends(boxes))


class Partners(_Ragged):
    """Locations of the sketches or the reference of each image (`Sources`)."""

    @classmethod
    def of(cls, per_image: Iterable[Sequence[StoredImage]]) -> Partners:
        """Pack the sketches or references of each image."""
        lists = list(per_image)
        return cls(Sources.of(source for each in lists for source in each), _ends(lists))


@dataclass(frozen=True)
class ClassMaps:
    """Class maps of images, stored as image files.

    Attributes:
        sources: Class map of each image: a single-channel image of the same size.
        table: ``(256,)`` uint8 class of each stored value; 0 is unlabeled.
    """

    sources: Sources
    table: np.ndarray[Any, np.dtype[np.uint8]]

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> ClassMaps:
        """Return a view of the class maps at ``rows``."""
        return replace(self, sources=self.sources.select(rows))


@dataclass(frozen=True)
class ImageTable:
    """Table of the images of a split; a subclass may add columns (`Column`, Tensor or None).

    Examples:
        >>> images = ImageTable(find_sources(Path("album")), labels=torch.tensor([0, 0, 1, 1]))
        >>> len(images.sources), images.first(2).labels
        (4, tensor([0, 0]))

    Attributes:
        sources: Locations of the encoded images.
        labels: ``(N,)`` int64 class of each image, or None.
        classes: Class maps, or None.
        boxes: Bounding boxes of objects, or None.
        partners: Reference images or sketches, or None.
    """

    sources: Sources
    labels: Tensor | None = None
    classes: ClassMaps | None = None
    boxes: BoxTable | None = None
    partners: Partners | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> Self:
        """Return the images at ``rows`` in that order, with all columns."""
        selected: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            column: Tensor | Column | None = getattr(self, name)
            if column is not None:
                selected[name] = column[rows.long()] if isinstance(column, Tensor) else column.select(rows)
        return replace(self, **selected)

    def first(self, count: int | None) -> Self:
        """Return the first ``count`` images, or all if ``count`` is None."""
        return self if count is None else self.select(torch.arange(min(count, len(self))))
