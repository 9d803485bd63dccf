"""Read image files, arrays and PIL images as `RasterImage`."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from colorzoo.errors import ImageError
from colorzoo.image_io.containers import read_container
from colorzoo.image_io.metadata import (
    EXIF_PREFIX,
    IPTC_RESOURCE,
    Metadata,
    clean_exif,
    clean_xmp,
    without_positions,
)
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.tiff import read_page
from colorzoo.pixels.decode import (
    MAX_PIXELS,
    check_pixel_count,
    decode_pil,
    exif_orientation,
    first_page,
    is_tiff,
    open_pil,
    open_source,
    upright_pixels,
)
from colorzoo.pixels.formats import VARIANTS
from colorzoo.pixels.profiles import Pixels, array_pixels
from colorzoo.pixels.tiff import Directory, find_pages

# PNG text keywords that describe the file itself, or that `Metadata` stores in another field; raw profiles of
# old software contain EXIF or XMP with the orientation of the source
_SKIPPED_TEXT = (
    *("XML:com.adobe.xmp", "Thumb::", "png:", "exif:Pixel"),
    *("Raw profile type exif", "Raw profile type xmp", "Raw profile type APP1"),
    *("Raw profile type icc", "Raw profile type icm"),  # the pixels are converted to sRGB
)


def read_image(
    source: str | Path | bytes | Image.Image | NDArray[Any], *, max_pixels: int = MAX_PIXELS
) -> RasterImage:
    """Read an image of any mode, bit depth, color profile and orientation as upright sRGB.

    Examples:
        >>> image = read_image("photo.png")
        >>> image.size, image.rgb.shape
        ((48, 32), (32, 48, 3))

    The format is determined by the content, not by the extension. Only the first frame or page is read;
    `colorzoo.image_io.frames` reads all frames and pages.

    Args:
        source: Path or content of a file, a PIL image, or an sRGB array: ``(H, W)``, ``(H, W, 1)``,
            ``(H, W, 3)`` or ``(H, W, 4)`` of type uint8 or uint16, or of floats in [0, 1].
        max_pixels: Maximum number of pixels; checked before decoding.

    Raises:
        ImageError: The source does not exist, is not an image, is damaged or too large.
    """
    if isinstance(source, np.ndarray):
        if source.ndim > 1:
            check_pixel_count("the array", (source.shape[1], source.shape[0]), max_pixels)
        return _assemble(array_pixels(source), Metadata(), orientation=1)
    if isinstance(source, Image.Image):
        check_pixel_count("the image", source.size, max_pixels)
        return from_pil(source, file=None, name="the image", notes=frame_notes(source))
    if not isinstance(source, str | Path | bytes):
        raise ImageError(
            f"the image must be a path, bytes, a PIL image or an array, got {type(source).__name__}"
        )
    with open_source(source) as (file, name):
        return read_file(file, name, max_pixels)


def check_image(source: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
    """Check the header of an image file without decoding the pixels.

    Raises:
        ImageError: The file does not exist, is not an image, is too large, or requires a missing library.
    """
    with open_source(source) as (file, name):
        check_pixel_count(name, stored_size(file, name), max_pixels)


def stored_size(file: IO[bytes], name: str) -> tuple[int, int]:
    """Read the width and height of an image without decoding it.

    Args:
        file: Stream from `open_source`.
        name: Name of the image for error messages.

    Raises:
        ImageError: The file is not an image, is damaged, or requires a library that is not installed.
    """
    if is_tiff(file):
        return first_page(find_pages(file), name).size
    with open_pil(file, name) as image:
        return image.size


def stored_format(data: bytes) -> str:
    """Return the format of the content of an image file, such as ``"JPEG"``; see `check_image` for errors."""
    with open_source(data) as (file, name):
        if is_tiff(file):
            return "TIFF"
        with open_pil(file, name) as image:
            return VARIANTS.get(image.format or "", image.format or "")


def read_file(file: IO[bytes], name: str, max_pixels: int) -> RasterImage:
    """Read the first image of an opened file; see `read_image`.

    Args:
        file: Stream from `open_source`.
        name: Path of the file, or name of the image for error messages.
        max_pixels: Maximum number of pixels; checked before decoding.
    """
    if is_tiff(file):
        pages = find_pages(file)
        raster = read_tiff_page(file, first_page(pages, name), name, max_pixels)
        if len(pages) > 1:
            raster = replace(raster, notes=(f"first of {len(pages)} pages", *raster.notes))
    else:
        with open_pil(file, name) as image:
            check_pixel_count(name, image.size, max_pixels)
            raster = from_pil(image, file, name, frame_notes(image))
    source = None if isinstance(file, io.BytesIO) else Path(name)
    return replace(raster, metadata=replace(raster.metadata, source=source))


def read_tiff_page(file: IO[bytes], page: Directory, name: str, max_pixels: int) -> RasterImage:
    """Read one page of a TIFF file as upright sRGB; see `read_image`.

    Args:
        file: Stream from `open_source`.
        page: Location and size of the page, from `find_pages`.
        name: Name of the page for error messages.
        max_pixels: Maximum number of pixels; checked before decoding.
    """
    check_pixel_count(name, page.size, max_pixels)
    return _assemble(*read_page(file, page, name))


def from_pil(
    image: Image.Image, file: IO[bytes] | None, name: str, notes: tuple[str, ...] = ()
) -> RasterImage:
    """Convert the current frame of a PIL image to a `RasterImage`; decode it if necessary.

    Args:
        image: PIL image.
        file: Stream of the image file; None for an image in memory.
        name: Name of the image for error messages.
        notes: Notes for the user, placed before the notes about the conversion.

    Raises:
        ImageError: The image is damaged.
    """
    pixels = decode_pil(image, file, name)
    dropped = list[str]()
    if file is not None and image.tell() == 0:  # the first frame has the metadata of an animation
        position = file.tell()
        file.seek(0)
        found, names = read_container(image.format, file.read())
        file.seek(position)
        image.info.update(found)
        dropped += names
    orientation = exif_orientation(image)
    stored_exif: bytes | None = image.info.get("exif")
    if not stored_exif and (image.format == "TIFF" or "Raw profile type exif" in image.info):
        stored_exif = image.getexif().tobytes()
    exif, exif_notes, names = clean_exif((stored_exif or b"").removeprefix(EXIF_PREFIX))
    dropped += names
    # the resolution of the upright image, from the header or EXIF
    dpi = image.info.get("dpi")
    with suppress(Exception):  # as in `exif_orientation`
        directory = image.getexif()
        per_inch = {2: 1.0, 3: 2.54}  # units per inch; 3 means centimeters
        if dpi is None and (scale := per_inch.get(directory.get(Base.ResolutionUnit, 2))):
            dpi = (scale * directory[Base.XResolution], scale * directory[Base.YResolution])
    upright_dpi = None
    if dpi and min(dpi) > 1:  # 1 x 1 is a pixel aspect ratio, not a resolution
        horizontal, vertical = float(dpi[0]), float(dpi[1])
        upright_dpi = (vertical, horizontal) if orientation >= 5 else (horizontal, vertical)
    # comments of JPEG 2000 files contain the name of the encoder
    comment = None if image.format == "JPEG2000" else image.info.get("comment")
    texts: dict[str, str] = getattr(image, "text", {}) if image.format == "PNG" else {}
    dropped += [key for key in texts if key in ("Raw profile type xmp", "Raw profile type APP1")]
    xmp = image.info.get("xmp")
    if isinstance(xmp, bytes):
        xmp, names = clean_xmp(xmp)
        dropped += names
    iptc = image.info.get("iptc") or image.info.get("photoshop", {}).get(IPTC_RESOURCE)
    metadata = Metadata(
        exif=exif,
        xmp=xmp if isinstance(xmp, bytes) else None,
        dpi=upright_dpi,
        text=tuple((key, value) for key, value in texts.items() if not key.startswith(_SKIPPED_TEXT)),
        comment=comment if isinstance(comment, bytes) else None,
        iptc=iptc if isinstance(iptc, bytes) else None,
        dropped=tuple(dict.fromkeys(dropped)),
        format=VARIANTS.get(image.format or "", image.format),
    )
    all_notes = notes + pixels.notes + exif_notes
    return _assemble(replace(pixels, notes=all_notes), metadata, orientation)


def frame_notes(image: Image.Image) -> tuple[str, ...]:
    """Return a note for the user if only the first image of a file is read.

    The note contains the number of frames or pages. Without further images, the result is empty.
    """
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # the first page is readable even if a later page is damaged
        return ("later frames are damaged and were discarded",)
    unit = "pages" if image.format == "TIFF" else "frames"
    return (f"first of {count} {unit}",) if count > 1 else ()


def _assemble(pixels: Pixels, metadata: Metadata, orientation: int) -> RasterImage:
    """Rotate the pixels upright and add the metadata."""
    image = upright_pixels(pixels, orientation)
    if orientation != 1:
        metadata = without_positions(metadata)
    metadata = replace(metadata, icc=image.icc)
    return RasterImage(image.levels, image.alpha, image.bit_depth, image.notes, metadata)
