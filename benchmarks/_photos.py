"""The photos that several benchmarks measure on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from benchmarks._harness import SkippedError
from colorzoo.data.dataset import crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.sources import find_sources
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
        yield crop_square(decode_rgb(source.read(), SIDE), SIDE).float() / 255
