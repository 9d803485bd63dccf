"""Soft masks whose edges follow the picture, at any size.

A mask is fitted by the lightness of its picture window by window (a guided filter, He et al. 2013). The fit
is two small maps, so that it can be looked up under the lightness of the full-size picture too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from colorzoo.guidance import Area, Mask
from colorzoo.inference.resample import BicubicUpsampler

Map = NDArray[np.float32]

_FINER = 4  # pixels of the drawn outline in one of the mask
_RADIUS = 0.016  # of the window within which an edge of the picture is found, in shorter sides
_LEAST_RADIUS = 2
_SLACK = 9.0  # squared units of L: weaker structure than its root is no edge
_NEARLY = 0.004  # a share this near to nothing or all is nothing or all


@dataclass(frozen=True)
class Matte:
    """A soft mask: ``slope * lightness + offset``, from 0 to 1.

    Attributes:
        slope: ``(h, w)``.
        offset: ``(h, w)``.
    """

    slope: Tensor
    offset: Tensor

    def at(self, luma: Tensor) -> Tensor:
        """Return the shares ``(h, w)`` under a lightness ``(h, w)`` of the same size."""
        return _settled(self.slope * luma + self.offset)

    def enlarged(self, size: tuple[int, int]) -> Callable[[Tensor, int, int], Tensor]:
        """Return what gives the shares ``(rows, W)`` of a band of a larger picture.

        Args:
            size: Height and width of that picture.

        Returns:
            A function of the lightness ``(rows, W)`` of a band, its first row and the one after its last.
        """
        maps = BicubicUpsampler(torch.stack([self.slope, self.offset]), size)

        def share(luma: Tensor, first: int, last: int) -> Tensor:
            slope, offset = maps.rows(first, last)
            return _settled(slope * luma + offset)

        return share


def area_map(area: Area, whole: tuple[int, int], size: tuple[int, int]) -> Map:
    """Return which share of each cell of a map belongs to an area.

    Args:
        area: The area.
        whole: Width and height of its picture.
        size: Height and width of the map.

    Returns:
        ``(h, w)`` in [0, 1].
    """
    return polygon_map(area.path, whole, size) if area.mask is None else mask_map(area.mask, size)


def mask_map(mask: Mask, size: tuple[int, int]) -> Map:
    """Return which share of each cell ``(h, w)`` belongs to a mask."""
    inside = mask.array().astype(np.float32)
    if inside.shape == size:
        return inside
    smaller = size[0] < inside.shape[0] and size[1] < inside.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size[1], size[0]), interpolation=how), np.float32)


def polygon_map(path: tuple[tuple[float, float], ...], whole: tuple[int, int], size: tuple[int, int]) -> Map:
    """Return which share of each cell ``(h, w)`` lies in an outline of pixels of the picture."""
    canvas = Image.new("L", (size[1] * _FINER, size[0] * _FINER))
    scale_x, scale_y = canvas.width / whole[0], canvas.height / whole[1]
    # Pillow counts the pixels of its corners in, so half of one is taken back
    corners = [(x * scale_x - 0.5, y * scale_y - 0.5) for x, y in path]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return np.asarray(canvas.reduce(_FINER), np.float32) / np.float32(255)


def fit_matte(inside: Map, luma: Tensor) -> Matte:
    """Fit a mask to the edges of a picture near its own.

    Args:
        inside: ``(h, w)`` in [0, 1].
        luma: ``(1, 1, h, w)`` in [0, 100].
    """
    guide = np.ascontiguousarray(luma[0, 0].numpy(), dtype=np.float64)
    wanted = inside.astype(np.float64)
    side = 2 * max(_LEAST_RADIUS, round(_RADIUS * min(guide.shape))) + 1

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    center, level = mean(guide), mean(wanted)
    spread = mean(guide * guide) - center * center
    together = mean(guide * wanted) - center * level
    slope = together / (spread + _SLACK)
    offset = level - slope * center
    return Matte(*(torch.from_numpy(mean(part)).float() for part in (slope, offset)))


def _settled(share: Tensor) -> Tensor:
    """Bring shares to [0, 1], those that rounding left near an end to that end."""
    return ((share - _NEARLY) / (1 - 2 * _NEARLY)).clamp(0, 1)
