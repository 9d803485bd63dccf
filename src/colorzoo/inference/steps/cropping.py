"""Cropping and straightening of a finished image at its full size."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from colorzoo.errors import ImageError
from colorzoo.guidance import Crop
from colorzoo.image_io.metadata import without_positions
from colorzoo.image_io.raster_image import RasterImage, resample_visible
from colorzoo.pixels.raster import AlphaArray, Levels

_LONGEST = 32766  # maximum side in pixels that cv2.warpAffine supports


def cropped(levels: Levels, crop: Crop, alpha: AlphaArray | None = None) -> Levels:
    """Crop an image.

    A rotated crop is resampled by bicubic interpolation; other crops are copies.

    Args:
        levels: Image ``(H, W)`` or ``(H, W, C)``: unsigned integers of any bit depth, or floats in [0, 1].
        crop: Rectangle within the image, optionally rotated.
        alpha: Alpha channel ``(H, W)`` of the image, which weights the pixels of a rotated crop.

    Returns:
        Image ``(crop.height, crop.width)`` or ``(crop.height, crop.width, C)`` with the data type of the
        input.
    """
    if not crop.angle:
        return np.ascontiguousarray(levels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width])
    height, width = levels.shape[:2]
    if max(height, width) > _LONGEST:
        raise ImageError(
            f"a rotated crop requires an image of at most {_LONGEST} pixels per side, got {width} x {height}"
        )
    # OpenCV coordinates have their origin at the center of the first pixel
    x, y = crop.outer((0.5, 0.5))
    angle = math.radians(crop.angle)
    sine, cosine = math.sin(angle), math.cos(angle)
    crop_to_image = np.array([[cosine, -sine, x - 0.5], [sine, cosine, y - 0.5]])
    rotate = partial(
        cv2.warpAffine,
        M=crop_to_image,
        dsize=(crop.width, crop.height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    rotated = resample_visible(levels, alpha, rotate)
    return np.clip(rotated, 0, 1) if levels.dtype.kind == "f" else rotated


def crop_image(image: RasterImage, crop: Crop) -> RasterImage:
    """Crop an image with its alpha, and remove positions of faces and subjects from its metadata."""
    alpha = None if image.alpha is None else cropped(image.alpha, crop)
    levels, metadata = cropped(image.levels, crop, image.alpha), without_positions(image.metadata)
    return replace(image, levels=levels, alpha=alpha, metadata=metadata)
