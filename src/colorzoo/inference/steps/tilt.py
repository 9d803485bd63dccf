"""Rotation of a tilted print for the network, and rotation of its colors back to the scan.

The rotated part has the pixel size of the scan. Only colors are rotated back; the lightness comes from the
scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.guidance.border import Rectangle

Array = NDArray[Any]


def straighten(lightness: Tensor, inside: Rectangle) -> Tensor:
    """Rotate a tilted part of a lightness upright with bicubic interpolation.

    Args:
        lightness: ``(..., H, W)`` in [0, 100], all leading dimensions 1.
        inside: The part; the borders of the lightness are repeated outside.

    Returns:
        ``(..., height, width)`` in [0, 100].
    """
    left, top = inside.outer((0.5, 0.5))
    upright = _warped(
        np.ascontiguousarray(lightness.flatten(0, -2).numpy()),
        _matrix(inside.tilt, (left - 0.5, top - 0.5)),
        (inside.height, inside.width),
        cv2.INTER_CUBIC,
    )
    return torch.from_numpy(upright).clamp(0, 100).view(*lightness.shape[:-2], inside.height, inside.width)


def turn_back(values: Tensor, inside: Rectangle, rows: tuple[int, int], columns: int) -> Tensor:
    """Rotate rows of an upright part back to the whole image, with 0 outside the part.

    Args:
        values: ``(C, height, width)`` of the upright part, at most 4 channels.
        inside: The part.
        rows: First row, and the row after the last row.
        columns: Width of the image.

    Returns:
        ``(C, rows, columns)``; a pixel belongs to the part if its center does.
    """
    first, last = rows
    left, top = inside.unbounded((0.5, first + 0.5))
    whole = _warped(
        np.ascontiguousarray(values.movedim(0, -1).numpy()),
        _matrix(-inside.tilt, (left - 0.5, top - 0.5)),
        (last - first, columns),
        cv2.INTER_LINEAR,
    ).reshape(last - first, columns, len(values))
    x, y = _inner_places(inside, np.arange(first, last) + 0.5, np.arange(columns) + 0.5)
    whole[(x < 0) | (y < 0) | (x >= inside.width) | (y >= inside.height)] = 0
    return torch.from_numpy(whole).movedim(-1, 0)


@dataclass(frozen=True)
class TurnedBack:
    """Colors of an upright part, as an overlay of the whole image.

    Attributes:
        ab: ``(2, height, width)`` in CIE units.
        inside: The part.
    """

    ab: Tensor
    inside: Rectangle

    def add_to(self, ab: Tensor, lightness: Tensor, first: int) -> None:
        """Set rows of ab ``(2, rows, W)`` of the image in place, starting at row ``first``."""
        ab[:] = turn_back(self.ab, self.inside, (first, first + ab.shape[1]), ab.shape[2])


def straighten_cells(values: Array, inside: Rectangle) -> Array:
    """Rotate a tilted part of a map ``(..., H, W)`` upright with nearest-neighbor sampling."""
    columns, rows = np.meshgrid(np.arange(inside.width) + 0.5, np.arange(inside.height) + 0.5)
    x, y = inside.outer((columns, rows))
    return values[..., _cells(y, values.shape[-2]), _cells(x, values.shape[-1])]


def turn_back_cells(values: Array, inside: Rectangle, size: tuple[int, int], *, edge: bool) -> Array:
    """Rotate a map of an upright part back to the whole image with nearest-neighbor sampling.

    Args:
        values: ``(h, w)`` or ``(h, w, C)``, of any resolution, which the result has too.
        inside: The part, in pixels of the image.
        size: Width and height of the image.
        edge: Repeat the values of the border outside, instead of 0.
    """
    height, width = values.shape[:2]
    across, down = width / inside.width, height / inside.height
    columns, rows = max(1, round(size[0] * across)), max(1, round(size[1] * down))
    x, y = _inner_places(
        inside, (np.arange(rows) + 0.5) * size[1] / rows, (np.arange(columns) + 0.5) * size[0] / columns
    )
    x, y = x * across, y * down
    whole = values[_cells(y, height), _cells(x, width)]
    if not edge:
        whole[(x < 0) | (y < 0) | (x >= width) | (y >= height)] = 0
    return whole


def _inner_places(inside: Rectangle, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Return x and y in the part, ``(rows, columns)``, of rows and columns of the image."""
    x, y = np.meshgrid(columns, rows)
    return inside.unbounded((x, y))


def _cells(places: Any, count: int) -> Array:
    cells: Array = np.clip(np.floor(places), 0, count - 1).astype(np.int64)
    return cells


def _matrix(degrees: float, origin: tuple[float, float]) -> Array:
    """Return the matrix of a clockwise rotation that maps the origin to a location."""
    angle = np.radians(degrees)
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, -sine, origin[0]], [sine, cosine, origin[1]]])


def _warped(values: Array, matrix: Array, size: tuple[int, int], interpolation: int) -> Array:
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(values, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )
