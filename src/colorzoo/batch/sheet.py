"""Contact sheets: the samples of an image side by side."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorzoo.image_io.provenance import ImageProvenance, embed_provenance, read_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image

_CELL = 480  # pixels of the longer side of a sample
_TEXT, _GAP = 20, 8  # pixels


def sheet_provenance(sample: ImageProvenance) -> ImageProvenance:
    """Return the provenance record of a contact sheet, which differs from the record of its first sample."""
    return replace(sample, settings=hashlib.sha256(f"sheet {sample.settings}".encode()).hexdigest())


def write_sheet(path: Path, samples: Mapping[str, Path], *, overwrite: bool = False) -> Path:
    """Write a JPEG with all samples of an image and their names.

    The file contains a provenance record, see `sheet_provenance`, so later runs do not colorize it.

    Args:
        path: Output file, such as ``photo.color-sheet.jpg``.
        samples: Files of the samples by name, such as ``seed 7``.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ImageError: A sample cannot be read, or the file cannot be written.
    """
    record = read_provenance(next(iter(samples.values())))
    images = {}
    for name, sample in samples.items():
        image = Image.fromarray((read_image(sample).rgb * 255 + 0.5).astype(np.uint8))
        image.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
        images[name] = image
    sheet = draw_sheet(images)
    levels = np.asarray(sheet)
    record = None if record is None else sheet_provenance(record)
    like, _ = embed_provenance(RasterImage(levels), path, record)
    return write_image(path, levels, like, quality=90, overwrite=overwrite)


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
