"""Blocks that see the whole scene: a sixteenth of the picture's size, and wide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EXPANSION = 4


class SceneBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022, "A ConvNet for the 2020s", sec. 2): 7x7 per channel, then an MLP.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, _EXPANSION * channels)
        self.narrow = nn.Linear(_EXPANSION * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, h, w)`` of the same size."""
        places = self.norm(self.spread(x).permute(0, 2, 3, 1))
        change: Tensor = self.narrow(F.gelu(self.widen(places)))
        return x + change.permute(0, 3, 1, 2)


class SceneBlocks(nn.Module):
    """Add to the deepest map what a wider view says (not in any paper of the zoo).

    A network of a few channels has little room for what things are; at a sixteenth of the size room is cheap.
    The last layer begins at zero, so that a trained network begins with the colors that it has.

    Args:
        channels: Channels of the maps that are read, the deepest last.
        width: Channels inside.
        depth: Number of blocks.
    """

    def __init__(self, channels: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(sum(channels), width, 1)
        self.blocks = nn.Sequential(*(SceneBlock(width) for _ in range(depth)))
        self.leave = nn.Conv2d(width, channels[-1], 1)
        self.start_silent()

    def start_silent(self) -> None:
        """Let the blocks add nothing, as before any training."""
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the deepest map with the scene added.

        Args:
            maps: Each ``(B, C, n * h, n * w)`` with a whole n; the deepest last, of n = 1.
        """
        deep = maps[-1]
        height, width = deep.shape[-2:]
        halves = torch.cat([_halved(each, 2 * (each.shape[-1] // width)) for each in maps], dim=1)
        scene = self.leave(self.blocks(self.enter(halves)))
        return deep + F.interpolate(scene, scale_factor=2, mode="bilinear")[:, :, :height, :width]


def _halved(x: Tensor, side: int) -> Tensor:
    """Average over squares; those at the end of an odd map are cut by its border."""
    return F.avg_pool2d(x, side, ceil_mode=True)
