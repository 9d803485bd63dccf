"""Soft superpixels of Xia et al. 2022: a network that shares each pixel among nine cells, and pooling by it.

Cells are squares of 16 pixels. The nine shares of a pixel belong to its own cell and the cells around it, row
by row.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3, scaled_width, upconv4x4

CELL = 16
"""Side of a cell in pixels."""

_CHANNELS = (16, 32, 64, 128, 256)
_SLOPE = 0.1
_AROUND = tuple(product((-1, 0, 1), (-1, 0, 1)))  # rows and columns from a pixel's own cell
_LEAST = 1e-8


class SuperpixelNetwork(nn.Module):
    """A U-Net that answers the shares of the nine cells around each pixel; layers are named as the authors'.

    Args:
        width: Multiplier of every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        outs = [scaled_width(each, width) for each in _CHANNELS]
        self.depth = len(outs)
        layers: dict[str, nn.Module] = {}
        for level, (fan_in, fan_out) in enumerate(zip([1, *outs], outs, strict=False)):
            layers[f"conv{level}a"] = _convolution(fan_in, fan_out, stride=2 if level else 1)
            layers[f"conv{level}b"] = _convolution(fan_out, fan_out)
        for level in range(self.depth - 1):
            up = upconv4x4(outs[level + 1], outs[level])
            layers[f"deconv{level}"] = nn.Sequential(up, nn.LeakyReLU(_SLOPE))
            layers[f"conv{level}_1"] = _convolution(2 * outs[level], outs[level])
        layers["pred_mask0"] = conv3x3(outs[0], len(_AROUND))
        self.layers = nn.ModuleDict(layers)

    def forward(self, gray: Tensor) -> Tensor:
        """Return shares ``(B, 9, H, W)`` that sum to 1 of ``(B, 1, H, W)`` in [-1, 1].

        Height and width are multiples of 16.
        """
        maps, x = [], gray
        for level in range(self.depth):
            x = self.layers[f"conv{level}b"](self.layers[f"conv{level}a"](x))
            maps.append(x)
        for level in reversed(range(self.depth - 1)):
            x = self.layers[f"conv{level}_1"](torch.cat([maps[level], self.layers[f"deconv{level}"](x)], 1))
        shares: Tensor = self.layers["pred_mask0"](x).softmax(dim=1)
        return shares


def _convolution(fan_in: int, fan_out: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(fan_out), nn.LeakyReLU(_SLOPE))


def pool(maps: Tensor, shares: Tensor, cell: int = CELL) -> Tensor:
    """Return the mean of maps in each superpixel.

    Args:
        maps: ``(B, C, H, W)``.
        shares: ``(B, 9, H, W)``.
        cell: Side of a cell in pixels.

    Returns:
        ``(B, C, H/cell, W/cell)``.
    """
    return _gathered(maps, shares, cell) / (weights(shares, cell) + _LEAST)


def weights(shares: Tensor, cell: int = CELL) -> Tensor:
    """Return the size of each superpixel ``(B, 1, H/cell, W/cell)`` in cells, by shares ``(B, 9, H, W)``."""
    return _gathered(torch.ones_like(shares[:, :1]), shares, cell)


def sizes(shares: Tensor, cell: int = CELL) -> Tensor:
    """Return `weights` where each pixel belongs to the superpixel of its largest share; ties count twice."""
    return weights((shares == shares.amax(dim=1, keepdim=True)).to(shares), cell)


def spread(cells: Tensor, shares: Tensor, cell: int = CELL) -> Tensor:
    """Return maps ``(B, C, H, W)`` that mix cells ``(B, C, H/cell, W/cell)`` by shares ``(B, 9, H, W)``.

    Cells outside the picture are 0.
    """
    height, width = cells.shape[-2:]
    padded = F.pad(cells, (1, 1, 1, 1))
    found = torch.zeros_like(shares[:, :1])
    for index, (down, right) in enumerate(_AROUND):
        there = padded[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        found = found + F.interpolate(there, scale_factor=cell) * shares[:, index, None]
    return found


def _gathered(maps: Tensor, shares: Tensor, cell: int) -> Tensor:
    """Return the sum over the cells around each of the mean of maps times the share that points to it."""
    height, width = (side // cell for side in maps.shape[-2:])
    found = maps.new_zeros(1, 1, 1, 1)
    for index, (down, right) in enumerate(_AROUND):
        mean = F.pad(F.avg_pool2d(maps * shares[:, index, None], cell), (1, 1, 1, 1))
        found = found + mean[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width]
    return found
