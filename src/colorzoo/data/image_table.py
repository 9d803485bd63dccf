"""Table of a split's images: locations, labels, class maps, boxes, references, sketches or hints."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.sources import Sources, StoredImage, byte_count
from colorzoo.guidance import GuidanceKind
from colorzoo.weights.load import data_digest


class Column(Protocol):
    """Column of `ImageTable`: `Sources`, `BoxTable`, `ClassMaps`, `Partners` or `HintTable`."""

    def __len__(self) -> int: ...

    def select(self, rows: Tensor) -> Any:
        """Return a column with the entries at the indices ``rows``, in that order."""


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
    """Column with the boxes of each image, relative to the image size.

    An entry is ``(K, 4)`` float32: left, top, right, bottom in [0, 1].
    """

    @classmethod
    def of(cls, per_image: Iterable[Tensor]) -> BoxTable:
        """Create the column from a ``(K, 4)`` tensor of boxes for each image."""
        boxes = list(per_image)
        return cls(torch.cat([torch.empty(0, 4), *boxes]), _ends(boxes))


class Partners(_Ragged):
    """Column of an image table with the locations of each image's sketches or reference, as `Sources`."""

    @classmethod
    def of(cls, per_image: Iterable[Sequence[StoredImage]]) -> Partners:
        """Create the column of an image table from each image's sketches or reference."""
        lists = list(per_image)
        return cls(Sources.of(source for each in lists for source in each), _ends(lists))


class HintTable:
    """Column with values of kinds of guidance, such as captions; an entry is a dict of lists by kind.

    Args:
        kinds: Kinds of guidance.
        values: JSON object of each image.
    """

    def __init__(self, kinds: Sequence[GuidanceKind], values: _Ragged) -> None:
        self.kinds, self._values = tuple(kinds), values

    @classmethod
    def of(cls, kinds: Sequence[GuidanceKind], per_image: Iterable[Mapping[str, Sequence[Any]]]) -> HintTable:
        """Create the column from the values of each image by kind."""
        texts = [json.dumps(values) for values in per_image]
        return cls(kinds, _Ragged("".join(texts), _ends(texts)))

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> dict[str, list[Any]]:
        values: dict[str, list[Any]] = json.loads(self._values[index])
        return values

    def select(self, rows: Tensor) -> HintTable:
        """Return a view of the images at ``rows``."""
        return HintTable(self.kinds, self._values.select(rows))


@dataclass(frozen=True)
class ClassMaps:
    """Column with the class map of each image, stored as an image file.

    Attributes:
        sources: Locations of the class maps, which are single-channel images.
        table: ``(256,)`` uint8 class of each pixel value in the files; 0 is unlabeled.
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
    """Table of the images of a split; a subclass can add columns (`Column`, Tensor or None).

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
        hints: Values of kinds of guidance, such as captions, or None.
    """

    sources: Sources
    labels: Tensor | None = None
    classes: ClassMaps | None = None
    boxes: BoxTable | None = None
    partners: Partners | None = None
    hints: HintTable | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> Self:
        """Return a table with the images at the indices ``rows``, in that order."""
        selected: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            column: Tensor | Column | None = getattr(self, name)
            if column is not None:
                selected[name] = column[rows.long()] if isinstance(column, Tensor) else column.select(rows)
        return replace(self, **selected)

    def annotations_sha256(self, root: str | Path) -> str | None:
        """Return a hash of the columns other than the images; None if there are none.

        Files, such as references and class maps, are hashed by their names relative to ``root`` and their
        sizes.
        """
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "sources"}
        columns = {name: column for name, column in columns.items() if column is not None}
        if not columns:
            return None
        if self.classes is not None:
            columns["classes"] = self.classes.sources
        prefix = f"{Path(root)}{os.sep}"

        def plain(entry: Any) -> Any:
            if isinstance(entry, StoredImage):
                return [entry.name.removeprefix(prefix), byte_count(entry)]
            return entry.tolist() if isinstance(entry, Tensor) else list(entry)

        lines = []
        for index, source in enumerate(self.sources):
            entries = {name: column[index] for name, column in columns.items()}
            text = json.dumps(entries, sort_keys=True, default=plain)
            lines.append(f"{source.name.removeprefix(prefix)}\0{text}")
        return str(data_digest(lines)["sha256"])

    def first(self, count: int | None) -> Self:
        """Return a table with the first ``count`` images; None for ``count`` keeps all images."""
        return self if count is None else self.select(torch.arange(min(count, len(self))))
