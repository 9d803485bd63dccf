"""Points over a picture that a `HintUNet` has seen: what they leave as it is, is not computed again.

The blocks at full, half and quarter size see nothing but the neighborhood of a place, and cost a third of an
answer. What they made of the last inputs is kept; of the next input only the windows are run that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.channel_attention import AttendedConv
from colorzoo.networks.hint_unet import SHALLOW_REACH, SHALLOW_STRIDES, STRIDE, HintUNet, ShallowMaps

_MOST_BYTES = 64 << 20  # four pictures of 256 x 256 for a narrow network
_MOST_SHARE = 0.7  # of the input; windows that are larger together cost more than all of it
_REACH = SHALLOW_REACH // STRIDE
# cells of a side of a window: convolutions of smaller maps add up in another order, and round otherwise
_LEAST = 4 * _REACH + 1


class _Cells(NamedTuple):
    """A part of a picture in cells of `STRIDE` pixels, ends excluded."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    def grown(self, grid: tuple[int, int]) -> _Cells:
        """Return it with all that reaches it, inside a picture of so many cells."""
        return _Cells(*(_grown(*side, most) for side, most in zip(self, grid, strict=True)))

    @property
    def area(self) -> int:
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])

    def of(self, image: Tensor, stride: int, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """Return its part of ``(..., H, W)`` with ``stride`` pixels per cell, which begins at a cell."""
        rows, columns = (
            slice((low - first) * stride, (high - first) * stride)
            for (low, high), first in zip((self.rows, self.columns), origin, strict=True)
        )
        return image[..., rows, columns]


class _Seen(NamedTuple):
    x: Tensor
    maps: ShallowMaps

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.x, *self.maps))


class HintMemory:
    """Keeps what a network made of the newest inputs, and brings it up to date.

    Not to be used by two threads at once; for inference only. The maps that it answers are valid until its
    next answer.

    Args:
        unet: The network.
    """

    def __init__(self, unet: HintUNet) -> None:
        self._unet = unet
        self._seen: list[_Seen] = []

    def shallow(self, x: Tensor) -> ShallowMaps:
        """Return ``unet.shallow(x)`` of one input ``(1, C, H, W)``."""
        if isinstance(self._unet.skip1, AttendedConv):  # looks at the whole picture
            return self._unet.shallow(x)
        windows, seen = self._nearest(x)
        if seen is not None:
            # first: whatever happens, half of a new picture must not stay
            self._seen = [other for other in self._seen if other is not seen]
        maps = self._unet.shallow(x) if seen is None else self._brought_up(seen.maps, x, windows)
        self._keep(_Seen(x, maps))
        return maps

    def _nearest(self, x: Tensor) -> tuple[list[_Cells], _Seen | None]:
        """Return the input that differs least, and where; none if all differ too much."""
        most = _MOST_SHARE * x.shape[2] * x.shape[3] / STRIDE**2
        best: tuple[float, list[_Cells], _Seen | None] = (most, [], None)
        for seen in self._seen:
            if seen.x.shape == x.shape:
                windows = _changed(seen.x, x)
                cost = sum(window.grown(_grid(x)).area for window in windows)
                if cost < best[0]:
                    best = cost, windows, seen
        return best[1:]

    def _brought_up(self, maps: ShallowMaps, x: Tensor, windows: Sequence[_Cells]) -> ShallowMaps:
        """Run the windows and write them into the maps."""
        for window in windows:
            seen = window.grown(_grid(x))
            found = self._unet.shallow(seen.of(x, STRIDE).contiguous(memory_format=torch.channels_last))
            origin = seen.rows[0], seen.columns[0]
            for old, new, stride in zip(maps, found, SHALLOW_STRIDES, strict=True):
                window.of(old, STRIDE // stride).copy_(window.of(new, STRIDE // stride, origin))
        return maps

    def _keep(self, seen: _Seen) -> None:
        kept, left = [], _MOST_BYTES
        for one in (seen, *self._seen):
            left -= one.nbytes
            if left >= 0:
                kept.append(one)
        self._seen = kept


def _grown(low: int, high: int, most: int) -> tuple[int, int]:
    low, high = max(0, low - _REACH), min(most, high + _REACH)
    low = max(0, min(low, high - _LEAST))
    return low, min(most, max(high, low + _LEAST))


def _grid(x: Tensor) -> tuple[int, int]:
    return x.shape[2] // STRIDE, x.shape[3] // STRIDE


def _changed(old: Tensor, new: Tensor) -> list[_Cells]:
    """Return the windows in which maps of two inputs differ."""
    differs = (old != new).any(dim=1).float()
    cells = F.max_pool2d(differs, STRIDE)
    side = 2 * _REACH + 1
    reached = F.max_pool2d(cells, side, stride=1, padding=_REACH)[0] > 0
    labels, _ = ndimage.label(reached.numpy())
    return [
        _Cells((rows.start, rows.stop), (columns.start, columns.stop))
        for rows, columns in ndimage.find_objects(labels)
    ]
