"""Incremental evaluation of a `HintUNet` while a user adds points to a picture.

The blocks at full, half and quarter size have a small receptive field and take a third of the time of a
forward pass. Their outputs for recent inputs are kept; for the next input they run only on the windows that
changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.hint_unet import SHALLOW_REACH, SHALLOW_STRIDES, STRIDE, HintUNet, ShallowMaps

MOST_BYTES = 64 << 20  # four pictures of 256 x 256 for a narrow network
_MOST_SHARE = 0.7  # of the input; larger windows together cost more than all of it
_REACH = SHALLOW_REACH // STRIDE
# smallest side of a window in cells: convolutions of smaller maps sum in another order and round differently
_LEAST = 4 * _REACH + 1


class _Cells(NamedTuple):
    """A window of a picture in cells of `STRIDE` pixels, ends excluded."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    def grown(self, grid: tuple[int, int]) -> _Cells:
        """Return the window grown by the receptive field, within a picture of ``grid`` cells."""
        return _Cells(*(_grown(*side, most) for side, most in zip(self, grid, strict=True)))

    @property
    def area(self) -> int:
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])

    def of(self, image: Tensor, stride: int, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """Cut the window out of ``(..., H, W)`` with ``stride`` pixels per cell that starts at ``origin``."""
        rows, columns = (
            slice((low - first) * stride, (high - first) * stride)
            for (low, high), first in zip((self.rows, self.columns), origin, strict=True)
        )
        return image[..., rows, columns]


class _Entry(NamedTuple):
    """An input and its maps."""

    x: Tensor
    maps: ShallowMaps

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.x, *self.maps))


class HintMemory:
    """Cache of a network's shallow maps for recent inputs.

    For inference, by one thread at a time. The maps that it returns are valid until the next call.

    Args:
        unet: The network.
    """

    def __init__(self, unet: HintUNet) -> None:
        self._unet = unet
        self._seen: list[_Entry] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs and their maps."""
        return sum(entry.nbytes for entry in self._seen)

    def shallow(self, x: Tensor) -> ShallowMaps:
        """Return ``unet.shallow(x)`` of one input ``(1, C, H, W)``."""
        windows, seen = self._nearest(x)
        if seen is not None:
            # before the update, so that an interrupted update leaves no broken entry
            self._seen = [other for other in self._seen if other is not seen]
        maps = self._unet.shallow(x) if seen is None else self._updated(seen.maps, x, windows)
        self._keep(_Entry(x, maps))
        return maps

    def _nearest(self, x: Tensor) -> tuple[list[_Cells], _Entry | None]:
        """Return the most similar entry and the windows in which it differs; none if all differ too much."""
        most = _MOST_SHARE * x.shape[2] * x.shape[3] / STRIDE**2
        best: tuple[float, list[_Cells], _Entry | None] = (most, [], None)
        for seen in self._seen:
            if seen.x.shape == x.shape:
                windows = _changed(seen.x, x)
                cost = sum(window.grown(_grid(x)).area for window in windows)
                if cost < best[0]:
                    best = cost, windows, seen
        return best[1:]

    def _updated(self, maps: ShallowMaps, x: Tensor, windows: Sequence[_Cells]) -> ShallowMaps:
        """Run the network on the windows and write the results into the maps."""
        for window in windows:
            seen = window.grown(_grid(x))
            found = self._unet.shallow(seen.of(x, STRIDE).contiguous(memory_format=torch.channels_last))
            origin = seen.rows[0], seen.columns[0]
            for old, new, stride in zip(maps, found, SHALLOW_STRIDES, strict=True):
                window.of(old, STRIDE // stride).copy_(window.of(new, STRIDE // stride, origin))
        return maps

    def _keep(self, seen: _Entry) -> None:
        kept, left = [], MOST_BYTES
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
    """Return the windows in which the maps of two inputs differ."""
    from scipy import ndimage

    differs = (old != new).any(dim=1).float()
    cells = F.max_pool2d(differs, STRIDE)
    side = 2 * _REACH + 1
    reached = F.max_pool2d(cells, side, stride=1, padding=_REACH)[0] > 0
    labels, _ = ndimage.label(reached.numpy())
    return [
        _Cells((rows.start, rows.stop), (columns.start, columns.stop))
        for rows, columns in ndimage.find_objects(labels)
    ]
