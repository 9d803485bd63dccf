"""The transfer sub-net in tiles, with the statistics of the whole picture and the memory of a tile.

Maps are exact except near the border of a tile. Statistics of a place depend on those of the places before
it: there is a pass over all tiles for each group of places, and one for the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.networks.blocks import is_traced
from colorzoo.zoo.xu2020.transfer import (
    BOTTOM,
    EPSILON,
    PLACES,
    Adapt,
    Moments,
    TransferNetwork,
    match_moments,
    pad_picture,
    place_of,
)

HALO = 64
"""Pixels around a tile; the receptive field of all convolutions together is 60 to each side."""

TILED_ABOVE, TILE = 1_500_000, 768
"""Number of pixels of a picture above which tiles are used, and their side without the halo."""

_GROUPS = (
    ("encoder1",),
    ("encoder2",),
    ("encoder3",),
    ("encoder4", "skip1", "skip2", "skip3"),
    (BOTTOM,),
    ("decoder3",),
    ("decoder2",),
    ("decoder1",),
)


class _EnoughError(Exception):
    """Ends a pass after the last place of a group."""


@dataclass(frozen=True)
class Window:
    """A tile in a picture, in pixels; all numbers are multiples of 8.

    Attributes:
        rows: First and last (exclusive) row with the halo.
        columns: First and last (exclusive) column with the halo.
        core: First and last row and first and last column without the halo.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    core: tuple[int, int, int, int]

    def cut(self, picture: Tensor) -> Tensor:
        """Return the tile of a picture ``(B, C, H, W)``, with its halo."""
        return picture[:, :, slice(*self.rows), slice(*self.columns)]

    def inner(self, maps: Tensor) -> Tensor:
        """Return the part without the halo of a map of the tile at any scale."""
        scale = (self.rows[1] - self.rows[0]) // maps.shape[2]
        top, bottom = ((edge - self.rows[0]) // scale for edge in self.core[:2])
        left, right = ((edge - self.columns[0]) // scale for edge in self.core[2:])
        return maps[:, :, top:bottom, left:right]


class RunningMoments:
    """Mean and deviation over successive parts, in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def add(self, maps: Tensor) -> None:
        """Add the pixels of ``(B, C, h, w)``."""
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
        """Return the moments of all parts."""
        mean, squares = torch.as_tensor(self._mean), torch.as_tensor(self._squares)
        return Moments(mean.float(), (squares / (self._count - 1) + EPSILON).sqrt().float())


def too_large(rgb: Tensor) -> bool:
    """Return whether to process a picture in tiles; never with gradients or in an exported graph."""
    if is_traced() or rgb.requires_grad:
        return False
    return rgb.shape[-2] * rgb.shape[-1] > TILED_ABOVE


def windows(picture: Tensor, side: int) -> Iterator[Window]:
    """Yield the tiles of a picture whose sides are multiples of 8."""
    height, width = picture.shape[-2:]
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            yield Window(
                (max(0, top - HALO), min(height, bottom + HALO)),
                (max(0, left - HALO), min(width, right + HALO)),
                (top, bottom, left, right),
            )


def look_in_tiles(network: TransferNetwork, rgb: Tensor, side: int = TILE) -> Tensor:
    """Return the moments of a reference as `TransferNetwork.look` does."""
    padded = pad_picture(rgb)
    running = {place: RunningMoments() for place in PLACES}
    for window in windows(padded, side):
        _run(network, window.cut(padded), _record(window, running, {}, (), 1.0, {}))
    return network.join_look({place: running[place].moments() for place in PLACES})


def transfer_in_tiles(
    network: TransferNetwork,
    rgb: Tensor,
    targets: Mapping[str, Moments],
    sets: tuple[str, ...],
    alpha: Tensor | float = 1.0,
    side: int = TILE,
) -> Tensor:
    """Return the result of `TransferNetwork.forward` with `match_look` of the same arguments.

    Args:
        network: The transfer sub-net.
        rgb: ``(B, 3, H, W)`` in [0, 1].
        targets: See `match_look`.
        sets: See `match_look`.
        alpha: See `match_look`.
        side: Side of the tiles, a multiple of 8.
    """
    height, width = rgb.shape[-2:]
    padded = pad_picture(rgb)
    own: dict[str, Moments] = {}
    for group in _GROUPS:
        due = [place for place in group if place_of(place, sets) is not None]
        running = {place: RunningMoments() for place in due}
        for window in windows(padded, side) if due else ():
            _run(network, window.cut(padded), _record(window, running, own, sets, alpha, targets))
        own |= {place: part.moments() for place, part in running.items()}
    answer = torch.empty_like(padded, dtype=torch.float32)
    adapt = _known(own, sets, alpha, targets)
    for window in windows(padded, side):
        found = network.decoder(network.encoder(window.cut(padded), adapt), adapt)
        top, bottom, left, right = window.core
        answer[:, :, top:bottom, left:right] = window.inner(found)
    return answer[:, :, :height, :width]


def _run(network: TransferNetwork, rgb: Tensor, adapt: Adapt) -> None:
    try:
        network.decoder.body(network.encoder(rgb, adapt), adapt)
    except _EnoughError:
        return


def _known(
    own: Mapping[str, Moments],
    sets: tuple[str, ...],
    alpha: Tensor | float,
    targets: Mapping[str, Moments],
) -> Adapt:
    """Return a function that matches moments at places whose moments of the whole picture are known."""

    def adapt(place: str, maps: Tensor) -> Tensor:
        known = place_of(place, sets)
        if known is None or place not in own:
            return maps
        return match_moments(maps, targets[known], alpha, own[place])

    return adapt


def _record(
    window: Window,
    running: dict[str, RunningMoments],
    own: Mapping[str, Moments],
    sets: tuple[str, ...],
    alpha: Tensor | float,
    targets: Mapping[str, Moments],
) -> Adapt:
    """Return what counts in the maps of some places, and stops after the last of them."""
    apply, missing = _known(own, sets, alpha, targets), set(running)

    def adapt(place: str, maps: Tensor) -> Tensor:
        if place in running:
            running[place].add(window.inner(maps))
            missing.discard(place)
            if not missing:
                raise _EnoughError
        return apply(place, maps)

    return adapt
