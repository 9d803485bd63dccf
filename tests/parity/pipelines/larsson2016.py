"""The authors' ``colorize`` around the network, for comparison, in float64.

The image lies in the middle of a square of zeros; histograms, not colors, are enlarged. `Colorizer` needs
no square and keeps the lightness of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.larsson2016.model import BINS, QUARTER, Histograms, enlarge, keep_gray, to_rgb
from parity.pipelines.resizing import resize_with_zeros


@dataclass(frozen=True)
class Placement:
    """Position of an image in the network's square.

    Attributes:
        side: Side of the square in pixels, a multiple of 32.
        min_side: Shorter side of the image in it, at most.
        max_side: Longer side, at most.
    """

    side: int = 512
    min_side: int | None = None
    max_side: int | None = None

    def sides(self) -> tuple[int, int]:
        """Return the shorter and the longer side at most; by default half the side, and 12 pixels less."""
        shorter = self.side // 2 if self.min_side is None else self.min_side
        return shorter, self.side - 12 if self.max_side is None else self.max_side

    def factor(self, height: int, width: int) -> float:
        """Return the factor by which an image shrinks; none is enlarged."""
        shorter, longer = self.sides()
        factor = min(shorter / min(height, width), 1)
        return longer / max(height, width) if max(height, width) * factor >= longer else factor


def gray_of(image: Tensor) -> Tensor:
    """Return the gray level ``(1, 1, H, W)`` float64 of a uint8 image ``(H, W)`` or ``(H, W, C)``."""
    values = image.double() / 255
    return (values if values.ndim == 2 else values[..., :3].mean(-1))[None, None]


def network_input(gray: Tensor, placement: Placement) -> Tensor:
    """Return the square ``(1, 1, N, N)`` that the network receives for ``(1, 1, H, W)``."""
    height, width = gray.shape[-2:]
    small = rescale(gray, placement.factor(height, width))
    return center(small, (placement.side, placement.side))


def colorize(
    network: Callable[[Tensor], Histograms], image: Tensor, placement: Placement = Placement()
) -> Tensor:
    """Colorize an image as the authors' code does.

    Args:
        network: Returns histograms at a quarter of the size of a square ``(1, 1, N, N)``.
        image: uint8, ``(H, W)`` or ``(H, W, C)``.
        placement: Size of the square, and of the image in it.

    Returns:
        RGB ``(1, 3, H, W)`` float64 in [0, 1]; they write ``floor(255 rgb)``.
    """
    gray = gray_of(image)
    size = (gray.shape[-2], gray.shape[-1])
    found = network(network_input(gray, placement).float())
    maps = torch.cat([enlarge(each, QUARTER) for each in found], dim=1).double()
    maps = center(rescale(maps, 1 / placement.factor(*size)), size)
    return keep_gray(to_rgb(gray, maps[:, :BINS], maps[:, BINS:]), gray)


def rescale(maps: Tensor, factor: float) -> Tensor:
    """Resize as scikit-image 0.12 does: bilinear, zero outside, not antialiased, within the input range.

    Args:
        maps: ``(B, C, H, W)``; the range is that of all of them.
        factor: Factor on both sides, which are rounded.
    """
    height, width = (round(factor * side) for side in maps.shape[-2:])
    return maps if factor == 1 else resize_with_zeros(maps, (height, width))


def center(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Put maps into the middle of zeros of another size, or cut their middle out, each axis alone."""
    around: list[int] = []
    for old, side in zip(maps.shape[:-3:-1], size[::-1], strict=True):  # the width first
        before = int((side - old) / 2)
        around += [before, side - old - before]
    return F.pad(maps, around)
