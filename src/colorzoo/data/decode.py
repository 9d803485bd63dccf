"""Decoding of images to uint8 RGB tensors, used in training and evaluation."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from colorzoo.image_io.formats import open_image
from colorzoo.image_io.raster_image import blend_with_white

RESIZE_METHOD = (
    "bicubic with antialiasing (within one level of Pillow); JPEGs decoded at twice the size or more"
)
"""Description of the resize filter, stored in ``shards.json``."""
UNREADABLE = (OSError, ValueError, SyntaxError)
"""Exceptions that Pillow raises for files that it cannot decode."""


def why_unreadable(error: Exception) -> str:
    """Return a one-line reason why an image cannot be decoded."""
    if isinstance(error, UnidentifiedImageError):  # its message contains a memory address
        return "unknown image format"
    return " ".join(f"{type(error).__name__}: {error}".split())


def decode_rgb(data: bytes, short_side: int | None = None) -> Tensor:
    """Decode an image and apply its EXIF orientation.

    Large JPEGs are decoded at a reduced size of at least twice the target size. This takes a quarter of the
    time of full decoding and changes photographs by about 0.5 of 255 levels on average.

    Args:
        data: Bytes of a JPEG, PNG, WebP or other image file.
        short_side: Target length of the shorter side in pixels; None keeps the size.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        OSError: The bytes are not an image, or the image is truncated.
    """
    with open_image(BytesIO(data)) as image:
        if short_side is not None:
            # the smallest JPEG decoder scale that is at least twice the target
            width, height = _scaled(image.size, 2 * short_side)
            if width < image.width:
                image.draft("RGB", (width, height))
        upright = eight_bit_rgb(image)
        ImageOps.exif_transpose(upright, in_place=True)
    rgb = torch.from_numpy(np.array(upright)).permute(2, 0, 1)
    if short_side is not None and min(upright.size) != short_side:
        width, height = _scaled(upright.size, short_side)
        # four times as fast as Pillow's resize with the same filter; results differ by at most one level
        return F.interpolate(rgb[None], (height, width), mode="bicubic", antialias=True)[0]
    return rgb


def decode_classes(data: bytes, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode a class map and resize it with nearest-neighbor interpolation.

    Args:
        data: Bytes of an image file with one 8-bit channel.
        size: Width and height of the result.

    Returns:
        ``(height, width)`` uint8 class of each pixel, as stored in the file.

    Raises:
        ValueError: The image does not have one 8-bit channel.
    """
    with open_image(BytesIO(data)) as image:
        if image.mode not in ("L", "P"):
            raise ValueError(f"expected one 8-bit channel, got mode {image.mode}")
        return np.asarray(image.resize(size, Image.Resampling.NEAREST))


def eight_bit_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB.

    16-bit gray is scaled to 8 bits, because Pillow would clip it to white. Transparent images are composited
    on white, because line art is often black ink on transparent black.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image)
        shift = 8 if values.max(initial=0) > 255 else 0
        gray = Image.fromarray((values >> shift).clip(0, 255).astype(np.uint8))
        gray.info = image.info
        return gray.convert("RGB")
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        opaque = Image.fromarray(blend_with_white(rgba[..., :3], rgba[..., 3]))
        opaque.info = image.info  # contains the EXIF orientation
        return opaque
    if image.mode == "RGB":
        image.load()
        return image
    return image.convert("RGB")


def _scaled(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return ``(width, height)`` scaled so that the shorter side is ``short_side``."""
    factor = short_side / min(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
