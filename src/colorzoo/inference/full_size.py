"""What happens to a picture at its full size: its lightness in, its colors out, a band of rows at a time.

No float copy of a whole picture is made: lightness is looked up from the stored levels whenever a band needs
it, and a band of the result is rounded to levels at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.gamut import linear_rgb_in_gamut
from colorzoo.color.levels import encoded, luma_of_levels, write_levels
from colorzoo.inference.picture import Levels
from colorzoo.inference.pins import Pin
from colorzoo.inference.resample import BandShrinker, BicubicUpsampler

_BAND_PIXELS = 2**18  # fewer, and each step costs more than its pixels; more leave the processor's cache


class MovesRows(Protocol):
    """Moves the lightness of a picture, a band at a time."""

    def __call__(self, luma: Tensor, first: int, last: int, /) -> Tensor:
        """Return the rows ``(rows, W)`` from ``first`` up to ``last``, moved."""


@dataclass(frozen=True)
class FullLuma:
    """The lightness of a picture, ``(H, W)`` in [0, 100], made where it is looked at.

    Attributes:
        levels: The stored picture, ``(H, W)`` or ``(H, W, 3)``.
        move: Where areas move it; None leaves the picture's.
    """

    levels: Levels
    move: MovesRows | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.levels.shape[0], self.levels.shape[1]

    def rows(self, first: int, last: int) -> Tensor:
        """Return the rows from ``first`` up to ``last``, ``(last - first, W)``."""
        luma = luma_of_levels(self.levels[first:last])
        return luma if self.move is None else self.move(luma, first, last)

    def __getitem__(self, places: tuple[Tensor, Tensor]) -> Tensor:
        """Return the lightness ``(K,)`` of single pixels: ``(K,)`` rows and columns."""
        if self.move is not None:
            pairs = zip(*(place.tolist() for place in places), strict=True)
            return torch.stack([self.rows(row, row + 1)[0, column] for row, column in pairs])
        rows, columns = (place.numpy() for place in places)
        return luma_of_levels(self.levels[rows, columns][None])[0]

    def whole(self) -> Tensor:
        """Return all of it at once, ``(1, 1, H, W)``."""
        luma = torch.empty(1, 1, *self.shape)
        for first, last in bands(*self.shape):
            luma[0, 0, first:last] = self.rows(first, last)
        return luma

    def shrunk(self, size: tuple[int, int]) -> Tensor:
        """Return what `shrink_luma` makes of the whole, ``(1, 1, h, w)``."""
        if self.shape == size:
            return self.whole()
        shrinker = BandShrinker(self.shape, size)
        for first, last in bands(*self.shape):
            shrinker.add(self.rows(first, last))
        return shrinker.result()


def full_luma(levels: Levels) -> Tensor:
    """Return the lightness ``(1, 1, H, W)`` in [0, 100] of a picture ``(H, W)`` or ``(H, W, 3)``."""
    return FullLuma(levels).whole()


def join(luma: Tensor | FullLuma, ab: Tensor, pins: Sequence[Pin] = ()) -> NDArray[np.float32]:
    """Enlarge ab to the size of the lightness, add the pins and convert to RGB.

    Args:
        luma: ``(H, W)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units.
        pins: Colors to add at full size, see `fit_pins`.

    Returns:
        ``(H, W, 3)`` in [0, 1]; colors outside sRGB lose chroma at constant lightness and hue.
    """
    rgb = np.empty((*luma.shape, 3), dtype=np.float32)

    def write(linear: Tensor, out: NDArray[Any]) -> None:
        out[:] = encoded(linear).permute(1, 2, 0).numpy()

    _join(luma, ab, pins, rgb, write)
    return rgb


def join_levels(
    luma: Tensor | FullLuma, ab: Tensor, pins: Sequence[Pin] = (), *, depth: int = 8
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Do as `join`, rounded to levels.

    Args:
        luma: ``(H, W)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units.
        pins: Colors to add at full size, see `fit_pins`.
        depth: 8 or 16 bits.

    Returns:
        ``(H, W, 3)``.
    """
    levels = np.empty((*luma.shape, 3), dtype=np.uint16 if depth == 16 else np.uint8)
    _join(luma, ab, pins, levels, write_levels)
    return levels


def _join(
    luma: Tensor | FullLuma,
    ab: Tensor,
    pins: Sequence[Pin],
    out: NDArray[Any],
    write: Callable[[Tensor, NDArray[Any]], None],
) -> None:
    """Hand each band of linear light to ``write``, with the rows of ``out`` that it belongs to."""
    height, width = luma.shape
    enlarged = BicubicUpsampler(ab, (height, width))
    with torch.inference_mode():
        for first, last in bands(height, width):
            tile = enlarged.rows(first, last)
            for pin in pins:
                pin.add_to(tile, first)
            light = luma.rows(first, last) if isinstance(luma, FullLuma) else luma[first:last]
            write(linear_rgb_in_gamut(torch.cat([light[None], tile])), out[first:last])


def bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut a picture into bands of rows, at least one row each."""
    step = max(1, _BAND_PIXELS // width)
    for first in range(0, height, step):
        yield first, min(first + step, height)
