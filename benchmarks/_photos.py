"""The photos that several benchmarks measure on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from benchmarks._harness import SkippedError
from colorzoo.data.sources import find_sources
from colorzoo.data.squares import read_square
from colorzoo.errors import DataError

SIDE = 256
FOLDER = Path("data/photos/val")


def photos(folder: Path | None) -> Iterator[Tensor]:
    """Yield the central 256 x 256 of every photo of a folder, ``(3, 256, 256)`` in [0, 1].

    Raises:
        SkippedError: There is no such folder, or no picture in it.
    """
    try:
        sources = find_sources(folder or FOLDER)
    except DataError as error:
        raise SkippedError(str(error)) from error
    for source in sources:
        yield read_square(source, SIDE)


def pictures_in(folder: Path, pattern: str = "*.jpg") -> list[Path]:
    """Return the pictures of a folder by name.

    Raises:
        DataError: There is none.
    """
    if found := sorted(folder.glob(pattern)):
        return found
    raise DataError(f"{folder} holds no {pattern}; name the folder of the data with --data.")
