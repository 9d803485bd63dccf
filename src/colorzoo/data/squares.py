"""The central squares of a folder's photos, for what is counted or found once over a few of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from colorzoo.data.dataset import crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.sources import Source, find_sources


def read_squares(folder: Path, side: int, limit: int) -> Iterator[Tensor]:
    """Yield squares ``(3, side, side)`` in [0, 1] of at most ``limit`` photos, taken evenly from a folder."""
    sources = find_sources(folder)
    step = max(1, len(sources) // limit)
    for source in sources[::step][:limit]:
        yield read_square(source, side)


def read_square(source: Source, side: int) -> Tensor:
    """Return the central square of a photo: ``(3, side, side)`` in [0, 1]."""
    return crop_square(decode_rgb(source.read(), side), side).float() / 255
