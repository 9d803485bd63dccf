"""Cropping and straightening of a finished image at its full size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from colorzoo.guidance import Crop
from colorzoo.image_io.raster_image import Levels, RasterImage

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CroppingConstants:
    """Constants of cropping.

    Attributes:
        tile: Longest side in pixels of a tile, which limits the memory.
        around: Margin in pixels around a tile for bicubic interpolation.
    """

    tile: int = 512
    around: int = 3


CROPPING = CroppingConstants()


def cropped(levels: Levels, crop: Crop) -> Levels:
    """Crop an image.

    Without an angle the pixels are copied; otherwise they are resampled once by bicubic interpolation.

    Args:
        levels: ``(H, W)`` or ``(H, W, C)``: unsigned levels of any depth, or floats in [0, 1].
        crop: The crop, within the image.

    Returns:
        ``(crop.height, crop.width)`` or ``(crop.height, crop.width, C)`` of the same type.
    """
    if not crop.angle:
        return np.ascontiguousarray(levels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width])
    turned = np.empty((crop.height, crop.width, *levels.shape[2:]), dtype=levels.dtype)
    across, down = np.arange(crop.width) + 0.5, (np.arange(crop.height) + 0.5)[:, None]
    for top in range(0, crop.height, CROPPING.tile):
        for left in range(0, crop.width, CROPPING.tile):
            rows, columns = slice(top, top + CROPPING.tile), slice(left, left + CROPPING.tile)
            turned[rows, columns] = _sampled(levels, *crop.outer((across[columns], down[rows])))
    return turned


def crop_image(image: RasterImage, crop: Crop) -> RasterImage:
    """Crop an image with its alpha and metadata."""
    alpha = None if image.alpha is None else cropped(image.alpha, crop)
    return replace(image, levels=cropped(image.levels, crop), alpha=alpha)


def _sampled(levels: Levels, x: FloatArray, y: FloatArray) -> Levels:
    """Sample an image at coordinates ``(h, w)``; pixel centers are at halves."""
    height, width = levels.shape[:2]
    left, top = (max(0, int(places.min()) - CROPPING.around) for places in (x, y))
    right = min(width, int(x.max()) + 1 + CROPPING.around)
    bottom = min(height, int(y.max()) + 1 + CROPPING.around)
    part = levels[top:bottom, left:right].astype(np.float32).reshape(bottom - top, right - left, -1)
    grid = np.stack([(x - left) * 2 / (right - left) - 1, (y - top) * 2 / (bottom - top) - 1], axis=-1)
    found = torch.nn.functional.grid_sample(
        torch.from_numpy(part).permute(2, 0, 1)[None],
        torch.from_numpy(grid.astype(np.float32))[None],
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )
    values = found[0].permute(1, 2, 0).numpy().reshape(*x.shape, *levels.shape[2:])
    is_float = levels.dtype.kind == "f"
    values = np.clip(values, 0, 1) if is_float else np.rint(np.clip(values, 0, np.iinfo(levels.dtype).max))
    sampled: Levels = values.astype(levels.dtype)
    return sampled
