"""Tiled transfer sub-net: global statistics with the memory of one tile.

Maps are exact except near the border of a tile. The statistics at a layer depend on the statistics at earlier
layers. Each group of layers therefore requires a pass over all tiles, up to the depth of the group, and the
result requires a final pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from colorzoo.networks.blocks import is_traced, pad_to_multiple
from colorzoo.zoo.xu2020.transfer import (
    BOTTOM,
    EPSILON,
    LEVELS,
    PLACES,
    SMALLEST,
    STRIDE,
    Moments,
    TransferNetwork,
    match_moments,
    place_of,
)

HALO = 64
"""Halo in pixels around a tile; the receptive field of all convolutions extends 60 pixels to each side."""

TILED_ABOVE, TILE = 1_500_000, 768
"""Number of image pixels above which tiling is used, and side of a tile without its halo."""


class _Pass(NamedTuple):
    """A pass over all tiles for one group of layers."""

    places: tuple[str, ...]
    down: int = len(LEVELS)  # levels of the encoder
    up: int | None = None  # levels of the decoder; None stops before it


_PASSES = (
    _Pass(("encoder1",), down=0),
    _Pass(("encoder2",), down=1),
    _Pass(("encoder3",), down=2),
    _Pass(("encoder4", "skip1", "skip2", "skip3")),
    _Pass((BOTTOM,), up=0),
    _Pass(("decoder3",), up=1),
    _Pass(("decoder2",), up=2),
    _Pass(("decoder1",), up=3),
)


@dataclass(frozen=True)
class Window:
    """A tile of an image in pixels; all values are multiples of 8.

    Attributes:
        rows: Start and end (exclusive) row, including the halo.
        columns: Start and end (exclusive) column, including the halo.
        core: Start and end row, and start and end column, without the halo.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    core: tuple[int, int, int, int]

    def cut(self, image: Tensor) -> Tensor:
        """Return the tile of an image ``(B, C, H, W)``, including its halo."""
        return image[:, :, slice(*self.rows), slice(*self.columns)]

    def inner(self, maps: Tensor) -> Tensor:
        """Return the part of a map without the halo, at any scale."""
        scale = (self.rows[1] - self.rows[0]) // maps.shape[2]
        top, bottom = ((edge - self.rows[0]) // scale for edge in self.core[:2])
        left, right = ((edge - self.columns[0]) // scale for edge in self.core[2:])
        return maps[:, :, top:bottom, left:right]


class RunningMoments:
    """Running mean and standard deviation in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def add(self, maps: Tensor) -> None:
        """Add the values of ``(B, C, h, w)``."""
        part = maps.double()
        count = part.shape[2] * part.shape[3]
        mean = part.mean(dim=(2, 3), keepdim=True)
        step = mean - self._mean
        total = self._count + count
        self._squares = (
            self._squares
            + (part - mean).square().sum(dim=(2, 3), keepdim=True)
            + step.square() * (self._count * count / total)
        )
        self._mean = self._mean + step * (count / total)
        self._count = total

    def moments(self) -> Moments:
        """Return the moments of all added values."""
        mean, squares = torch.as_tensor(self._mean), torch.as_tensor(self._squares)
        return Moments(mean.float(), (squares / (self._count - 1) + EPSILON).sqrt().float())


def too_large(rgb: Tensor) -> bool:
    """Return whether an image requires tiles; False with gradients and in exported graphs."""
    if is_traced() or rgb.requires_grad:
        return False
    return rgb.shape[-2] * rgb.shape[-1] > TILED_ABOVE


def windows(image: Tensor, side: int) -> Iterator[Window]:
    """Yield the tiles of an image whose sides are multiples of 8."""
    height, width = image.shape[-2:]
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            yield Window(
                (max(0, top - HALO), min(height, bottom + HALO)),
                (max(0, left - HALO), min(width, right + HALO)),
                (top, bottom, left, right),
            )


def encode_in_tiles(network: TransferNetwork, rgb: Tensor, side: int = TILE) -> Tensor:
    """Return the moments of a reference as `TransferNetwork.encode_reference` does."""
    padded = pad_to_multiple(rgb, STRIDE, SMALLEST)
    running = {place: RunningMoments() for place in PLACES}

    def record(place: str, maps: Tensor) -> Tensor:
        if place in running:
            running[place].add(window.inner(maps))
        return maps

    for window in windows(padded, side):
        network.decoder.body(network.encoder(window.cut(padded), record), record)
    return network.join_embedding({place: running[place].moments() for place in PLACES})


def transfer_in_tiles(
    network: TransferNetwork,
    rgb: Tensor,
    targets: Mapping[str, Moments],
    sets: tuple[str, ...],
    alpha: Tensor | float,
    side: int = TILE,
) -> Tensor:
    """Return the result of `TransferNetwork.forward` with `match_embedding` of the same arguments.

    Args:
        network: The transfer sub-net.
        rgb: ``(B, 3, H, W)`` in [0, 1].
        targets: See `match_embedding`.
        sets: See `match_embedding`.
        alpha: See `match_embedding`.
        side: Side of the tiles in pixels, a multiple of 8.
    """
    height, width = rgb.shape[-2:]
    padded = pad_to_multiple(rgb, STRIDE, SMALLEST)
    tiles = list(windows(padded, side))
    own: dict[str, Moments] = {}  # global moments at the layers of earlier passes
    running: dict[str, RunningMoments] = {}  # at the layers of this pass

    def adapt(place: str, maps: Tensor) -> Tensor:
        if place in running:
            running[place].add(window.inner(maps))
        known = place_of(place, sets)
        if known is None or place not in own:
            return maps
        return match_moments(maps, targets[known], alpha, own[place])

    for places, down, up in _PASSES:
        running = {place: RunningMoments() for place in places if place_of(place, sets) is not None}
        for window in tiles if running else ():
            encoded = network.encoder(window.cut(padded), adapt, down)
            if up is not None:
                network.decoder.body(encoded, adapt, up)
        own |= {place: part.moments() for place, part in running.items()}
        running = {}
    answer = torch.empty_like(padded, dtype=torch.float32)
    for window in tiles:
        found = network.decoder(network.encoder(window.cut(padded), adapt), adapt)
        top, bottom, left, right = window.core
        answer[:, :, top:bottom, left:right] = window.inner(found)
    return answer[:, :, :height, :width]
