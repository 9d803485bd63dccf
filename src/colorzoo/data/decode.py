"""Decoding of images to uint8 RGB tensors, used in training and evaluation."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ImageError
from colorzoo.pixels.decode import open_pil, read_pixels, stored_orientation
from colorzoo.pixels.formats import open_image
from colorzoo.pixels.raster import Levels, composite_on_paper, unit_range, upright

RESIZE_METHOD = (
    "bicubic with antialiasing (within one level of Pillow); JPEGs decoded at twice the size or more"
)
"""Description of the resize filter, stored in ``shards.json``."""
_MAX_ASPECT = 16
UNREADABLE = Exception
"""Exceptions for files that cannot be read or decoded; decoders raise many types for damaged files."""


def why_unreadable(error: Exception) -> str:
    """Return a one-line reason why an image cannot be decoded."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):  # its message contains a memory address
        return "unknown image format"
    return " ".join(f"{type(error).__name__}: {error}".split())


def decode_rgb(data: bytes, short_side: int | None = None) -> Tensor:
    """Decode an image as `colorzoo.image_io.read_image` does, and convert it to 8-bit RGB.

    Color profile and EXIF orientation are applied. Transparent images are composited on white, because line
    art is often black ink on transparent black. White ink is composited on black.

    Large JPEGs are decoded at a reduced size of at least twice the target size. This takes a quarter of the
    time of full decoding and changes photographs by about 0.5 of 255 levels on average.

    Args:
        data: Bytes of a JPEG, PNG, WebP or other image file.
        short_side: Target length of the shorter side in pixels; None keeps the size. The longer side is
            cropped to at most 16 times the shorter side, because enlarging a line could exceed the memory.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        ImageError: The bytes are not an image, or the image is truncated or too large.
    """
    draft_side = None if short_side is None else 2 * short_side
    image = composite_on_paper(read_pixels(data, draft_side=draft_side))
    if short_side is None:
        rgb = _planes(image.levels)
    else:
        left, top, right, bottom = _center_part(image.size)
        rgb = _planes(image.levels[top:bottom, left:right])
        shortest = min(rgb.shape[1:])
        if shortest != short_side:
            factor = short_side / shortest
            height, width = (max(1, round(side * factor)) for side in rgb.shape[1:])
            # four times as fast as Pillow's resize with the same filter; results differ by at most one level
            rgb = F.interpolate(rgb[None], (height, width), mode="bicubic", antialias=True)[0]
    return rgb if len(rgb) == 3 else rgb.repeat(3, 1, 1)


def _planes(levels: Levels) -> Tensor:
    """Return levels of any bit depth as ``(1, H, W)`` or ``(3, H, W)`` uint8."""
    if levels.dtype != np.uint8:
        levels = np.rint(unit_range(levels) * 255).astype(np.uint8)
    return torch.from_numpy(np.atleast_3d(levels)).permute(2, 0, 1)


class StoredFrame(NamedTuple):
    """Frame of reference of annotations, which refer to the stored pixels of an image file.

    Attributes:
        size: Stored width and height in pixels.
        orientation: EXIF orientation, from 1 to 8.
    """

    size: tuple[int, int]
    orientation: int


def decode_frame(data: bytes) -> StoredFrame:
    """Return the stored size and the EXIF orientation of an image file."""
    with open_pil(BytesIO(data), "image") as image:
        orientation = stored_orientation(image)
        width, height = image.size
        # Pillow turns TIFF images when it decodes them, and `size` is the size of the turned image
        if image.format == "TIFF" and orientation >= 5:
            width, height = height, width
        return StoredFrame((width, height), orientation)


def decoded_boxes(boxes: Tensor, frame: StoredFrame) -> Tensor:
    """Convert boxes in a stored image to boxes in the resized image that `decode_rgb` returns.

    Args:
        boxes: ``(K, 4)`` left, top, right, bottom as fractions of the stored width and height.
        frame: Size and orientation of the stored image.

    Returns:
        Boxes ``(K, 4)`` as fractions of the decoded width and height. Boxes in the cropped part of a thin
        image are outside [0, 1].
    """
    left, top, right, bottom = boxes.unbind(1)
    width, height = frame.size
    # an EXIF orientation is a transposition, followed by flips
    if frame.orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if frame.orientation in (3, 4, 7, 8):  # vertical flip
        top, bottom = 1 - bottom, 1 - top
    if frame.orientation in (2, 3, 6, 7):  # horizontal flip
        left, right = 1 - right, 1 - left
    # to fractions of the center part, which `decode_rgb` keeps
    part_left, part_top, part_right, part_bottom = _center_part((width, height))
    part_width, part_height = part_right - part_left, part_bottom - part_top
    return torch.stack(
        [
            (left * width - part_left) / part_width,
            (top * height - part_top) / part_height,
            (right * width - part_left) / part_width,
            (bottom * height - part_top) / part_height,
        ],
        dim=1,
    )


def decode_classes(
    data: bytes, size: tuple[int, int], orientation: int = 1
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode a class map, crop it as in `decode_rgb`, and resize it with nearest-neighbor interpolation.

    Args:
        data: Bytes of an image file with one 8-bit channel.
        size: Width and height of the result.
        orientation: EXIF orientation of the image that the map belongs to. The map is turned like the image.

    Returns:
        ``(height, width)`` uint8 class of each pixel, as stored in the file.

    Raises:
        ValueError: The image does not have one 8-bit channel.
    """
    with open_image(BytesIO(data)) as image:
        if image.mode not in ("L", "P"):
            raise ValueError(f"expected one 8-bit channel, got mode {image.mode}")
        classes = Image.fromarray(upright(np.asarray(image), orientation))
    part = _center_part(classes.size)
    return np.asarray(classes.resize(size, Image.Resampling.NEAREST, box=part))


def _center_part(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the centered part whose aspect ratio is at most `_MAX_ASPECT`."""
    width, height = (min(side, _MAX_ASPECT * min(size)) for side in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height
