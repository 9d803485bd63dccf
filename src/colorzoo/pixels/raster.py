"""`Raster`: pixels with alpha, and their basic conversions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
AlphaArray = NDArray[np.uint8] | NDArray[np.uint16]
Levels = NDArray[Any]  # uint8, uint16 or float32
BAND = 64  # rows that fit into the CPU cache
_LIGHTEST_INK = 0.9  # gray level in [0, 1]; on white paper, lighter ink is not visible


@dataclass(frozen=True)
class Raster:
    """Pixels and alpha of an image.

    Attributes:
        levels: sRGB pixels, ``(H, W)`` for gray or ``(H, W, 3)``: uint8, uint16, or float32 in [0, 1].
        alpha: Alpha channel as stored in the file, ``(H, W)`` uint8 or uint16; None for an opaque image.
        bit_depth: Bits per channel of the source, 8 or 16.
        notes: Notes for the user about the conversion, such as ``"first of 12 frames"``.
    """

    levels: Levels
    alpha: AlphaArray | None = None
    bit_depth: int = 8
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.levels.shape[1], self.levels.shape[0]

    @property
    def rgb(self) -> FloatArray:
        """``(H, W, 3)`` float32 sRGB in [0, 1], computed on each access."""
        return as_rgb(self.levels)


RasterT = TypeVar("RasterT", bound=Raster)


def as_rgb(levels: Levels) -> FloatArray:
    """Convert gray or color pixels to float32 RGB ``(H, W, 3)`` in [0, 1].

    Args:
        levels: ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float in [0, 1].
    """
    values = unit_range(levels)
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def unit_range(levels: Levels) -> FloatArray:
    """Convert pixel values of any shape to float32; scale uint8 and uint16 to [0, 1].

    Float values, which should be in [0, 1], are neither scaled nor clipped.
    """
    values = levels.astype(np.float32)
    if levels.dtype.kind == "u":
        values /= np.float32(np.iinfo(levels.dtype).max)
    return values


def composite_on_white(image: RasterT) -> RasterT:
    """Composite a transparent image on white; return an opaque image unchanged."""
    if image.alpha is None:
        return image
    return replace(image, levels=blend(image.levels, image.alpha, 1), alpha=None)


def composite_on_paper(image: RasterT) -> RasterT:
    """Composite a transparent drawing on white paper, or on black paper if its ink is white.

    The ink is white if most of the image is transparent and the drawing is blank on white paper. An opaque
    image is returned unchanged.
    """
    if image.alpha is None:
        return image
    on_white = composite_on_white(image)
    if not image.alpha.any():
        return on_white
    opacity = image.alpha.mean() / np.iinfo(image.alpha.dtype).max
    is_mostly_transparent = opacity < 0.5  # erased pixels can have an alpha above 0
    is_blank = unit_range(on_white.levels).min() > _LIGHTEST_INK
    if is_mostly_transparent and is_blank:
        return replace(image, levels=blend(image.levels, image.alpha, 0), alpha=None)
    return on_white


def blend(levels: Levels, alpha: AlphaArray | FloatArray, background: float | FloatArray) -> Levels:
    """Composite transparent pixels on a background; integer pixels keep their type.

    Args:
        levels: Pixels ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float in [0, 1].
        alpha: Alpha channel ``(H, W)``: uint8, uint16, or float in [0, 1].
        background: Gray level of the background in [0, 1], 1 for white and 0 for black; or an image with the
            shape of ``levels``.
    """
    opacity = unit_range(alpha) if levels.ndim == 2 else unit_range(alpha)[..., None]
    blended = unit_range(levels) * opacity + background * (1 - opacity)
    if levels.dtype.kind == "f":
        return blended
    return np.rint(blended * np.float32(np.iinfo(levels.dtype).max)).astype(levels.dtype)


def drop_equal_channels(levels: Levels, alpha: AlphaArray | None = None) -> Levels:
    """Return one channel ``(H, W)`` of integer pixels ``(H, W, 3)`` if all three channels are equal.

    Other pixels, including float pixels, are returned unchanged. Hidden colors of transparent pixels are not
    compared, because gray and color images are rounded differently.

    Args:
        levels: Pixels.
        alpha: Alpha channel ``(H, W)``; None for an opaque image.
    """
    if levels.dtype.kind == "f":
        return levels
    # every 64th row first, because it detects most color images quickly
    for rows in (slice(None, None, 64), slice(None)):
        visible = levels[rows] if alpha is None else levels[rows][alpha[rows] > 0]
        if not all(np.array_equal(visible[..., 0], visible[..., channel]) for channel in (1, 2)):
            return levels
    return np.ascontiguousarray(levels[..., 0])


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate and flip an array ``(H, W, ...)`` according to its EXIF orientation.

    The orientation is a number from 1 to 8.
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
