"""Contact sheets: the samples of an image side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorzoo.image_io.provenance import embed_provenance, read_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from colorzoo.pixels.find import shorten_name

_CELL = 480  # pixels of the longer side of a sample
_TEXT, _GAP = 20, 8  # pixels


def write_sheet(samples: Mapping[str, Path]) -> Path:
    """Write a JPEG with all samples of an image and their names, beside the first sample.

    The file contains the provenance record of the first sample, so later runs do not colorize it. An existing
    file is replaced.

    Args:
        samples: Files of the samples by name, such as ``seed 7``.

    Returns:
        The path, such as ``photo.color-sheet.jpg``.

    Raises:
        ImageError: A sample cannot be read, or the file cannot be written.
    """
    first = next(iter(samples.values()))
    images = {}
    for name, path in samples.items():
        image = Image.fromarray((read_image(path).rgb * 255 + 0.5).astype(np.uint8))
        image.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
        images[name] = image
    sheet = draw_sheet(images)
    path = first.with_name(shorten_name(first.stem, "-sheet.jpg"))
    levels = np.asarray(sheet)
    like, _ = embed_provenance(RasterImage(levels), path, read_provenance(first))
    return write_image(path, levels, like, quality=90, overwrite=True)


def draw_sheet(images: Mapping[str, Image.Image]) -> Image.Image:
    """Return images and their names in rows of equal cells."""
    columns = math.ceil(math.sqrt(len(images)))
    width = max(image.width for image in images.values()) + _GAP
    height = max(image.height for image in images.values()) + _TEXT + _GAP
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (_GAP + columns * width, _GAP + rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for index, (name, image) in enumerate(images.items()):
        left, top = _GAP + index % columns * width, _GAP + index // columns * height
        sheet.paste(image, (left, top))
        draw.text((left, top + image.height + 2), name, fill="black", font=font)
    return sheet
