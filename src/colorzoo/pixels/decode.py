"""Decode image files to upright sRGB pixels."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from colorzoo.errors import ImageError
from colorzoo.pixels.containers import box_metadata, container_parts, unsupported_variant
from colorzoo.pixels.formats import FORMATS, VIDEO_EXTENSIONS
from colorzoo.pixels.profiles import Pixels, image_pixels
from colorzoo.pixels.raster import drop_equal_channels, upright
from colorzoo.pixels.samples import (
    Samples,
    SamplesError,
    decode_jpeg2000,
    decode_png,
    plain_samples,
    sample_pixels,
)
from colorzoo.pixels.tiff import (
    TIFF_SIGNATURES,
    Directory,
    find_pages,
    open_page,
    page_orientation,
    page_pixels,
)

MAX_PIXELS = 200_000_000
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_pixel_limit_lock = threading.Lock()


def read_pixels(data: bytes, *, draft_side: int | None = None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode an image file to upright sRGB as `colorzoo.image_io.read_image` does, without its metadata.

    Args:
        data: Content of the file.
        draft_side: Decode a large JPEG at a reduced size whose shorter side has at least this number of
            pixels, which takes a quarter of the time of full decoding. None decodes the full size.
        max_pixels: Maximum number of pixels; checked before decoding.

    Raises:
        ImageError: The file is not an image, is damaged or too large.
    """
    with open_source(data) as (file, name):
        if is_tiff(file):
            directory = first_page(find_pages(file), name)
            check_pixel_count(name, directory.size, max_pixels)
            with open_page(file, directory, name) as (page, parent):
                return upright_pixels(page_pixels(page), page_orientation(parent))
        with open_pil(file, name) as image:
            check_pixel_count(name, image.size, max_pixels)
            if draft_side is not None and draft_side < min(image.size):
                factor = draft_side / min(image.size)
                image.draft("RGB", (round(image.width * factor), round(image.height * factor)))
            return upright_pixels(decode_pil(image, file, name), exif_orientation(image))


def upright_pixels(pixels: Pixels, orientation: int) -> Pixels:
    """Rotate decoded pixels upright, and return gray pixels with one channel.

    Args:
        pixels: Pixels in stored orientation.
        orientation: EXIF orientation, from 1 to 8.
    """
    levels = pixels.levels if pixels.levels.ndim == 2 else drop_equal_channels(pixels.levels, pixels.alpha)
    alpha = None if pixels.alpha is None else upright(pixels.alpha, orientation)
    # also contiguous, because a TIFF can store its channels one by one
    return replace(pixels, levels=upright(levels, orientation), alpha=alpha)


def check_pixel_count(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Raise `ImageError` if an image has more than ``max_pixels`` pixels.

    Args:
        name: Name of the image for the error message.
        size: Width and height of the image in pixels.
        max_pixels: Maximum number of pixels.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} must have at most {max_pixels / 1e6:g} million pixels, got {width * height / 1e6:.1f} "
            f"million ({width} x {height}). Downscale the image.",
            "Alternatively, set a larger --max-pixels (Python: max_pixels).",
        )


def is_tiff(file: IO[bytes]) -> bool:
    """Return whether a file starts with the signature of a TIFF file."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in TIFF_SIGNATURES


@contextmanager
def open_source(source: str | Path | bytes) -> Iterator[tuple[IO[bytes], str]]:
    """Open an image file, or the content of an image file, as a stream.

    Yields:
        A seekable stream and the name of the image for error messages.

    Raises:
        ImageError: The file does not exist, is empty, or is a folder.
    """
    if isinstance(source, bytes):
        if not source:
            raise ImageError("the image is empty (0 bytes)")
        yield io.BytesIO(source), "the image file"
        return
    path = Path(source)
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder. Choose an image file.")
        opened = path.open("rb")
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} cannot be opened: {reason}") from error
    with opened as file:
        if file.seek(0, io.SEEK_END) == 0:
            raise ImageError(f"{path} is empty (0 bytes). Copy the file again.")
        file.seek(0)
        yield file, str(path)


def first_page(pages: Sequence[Directory], name: str) -> Directory:
    """Return the first page of a TIFF file.

    Raises:
        ImageError: The file contains no page.
    """
    if not pages:
        raise ImageError(f"{name} is damaged or incomplete: this TIFF file contains no image")
    return pages[0]


@contextmanager
def open_pil(file: IO[bytes], name: str) -> Iterator[Image.Image]:
    """Open an image with Pillow without decoding it.

    Args:
        file: Stream from `open_source`.
        name: Name of the image for error messages.

    Raises:
        ImageError: The file is not an image, is damaged, or requires a library that is not installed.
    """
    formats: tuple[str, ...] = FORMATS
    file.seek(0)
    head = file.read(64)
    is_heic = head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[8:]
    if is_heic:
        try:
            import pillow_heif
        except ImportError as error:
            raise ImageError(
                f"{name} (HEIC) requires an optional package. Run `python -m pip install "
                "'colorzoo[formats]'`, or convert the file to JPEG or TIFF."
            ) from error
        pillow_heif.register_heif_opener()  # registers the reader "HEIF" with Pillow
        formats = (*FORMATS, "HEIF")
    file.seek(0)
    try:
        image = open_without_limit(file, formats)
    except UnidentifiedImageError:
        if Path(name).suffix.lower() in VIDEO_EXTENSIONS:
            raise ImageError(f"{name} is a video. Use `colorzoo video`.") from None
        file.seek(0)
        if variant := unsupported_variant(file.read()):
            problem = f"{name} is not an image that can be read: {variant} is not supported"
            raise ImageError(f"{problem}. Convert it to PNG or TIFF.") from None
        raise ImageError(
            f"{name} is not an image that can be read. Use JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF or JPEG "
            "2000."
        ) from None
    except Exception as error:  # parsers raise many types of errors for damaged headers
        raise ImageError(f"{name} is damaged or not supported ({_one_line(error)})") from error
    with image:
        if image.format == "JPEG2000":
            # add metadata that Pillow does not read; the file position does not change
            position = file.tell()
            file.seek(0)
            image.info.update(box_metadata(container_parts(image.format, file.read())))
            file.seek(position)
        yield image


def open_without_limit(source: Path | IO[bytes], formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open an image with Pillow without its global pixel limit, which `check_pixel_count` replaces.

    Args:
        source: Path or seekable stream of the file.
        formats: Names of the enabled Pillow readers.
    """
    with _pixel_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(source, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that must be applied to a decoded image, from 1 to 8."""
    is_upright = image.format == "TIFF"  # the decoder returns an upright image
    return 1 if is_upright else stored_orientation(image)


def stored_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of the stored pixels, from 1 to 8."""
    try:
        stored: Any = image.getexif().get(Base.Orientation)
        return stored if stored in range(1, 9) else 1
    except Exception:  # Pillow raises many types of errors for damaged EXIF
        return 1


def decode_pil(image: Image.Image, file: IO[bytes] | None, name: str) -> Pixels:
    """Decode an opened image and convert its pixels to sRGB."""
    _drop_text_entries(image)
    # convert the transparent gray level of a 2- or 4-bit PNG to 8 bits; Pillow converts only pixels
    level = image.info.get("transparency")
    for bits in (2, 4):
        full = 2**bits - 1
        if isinstance(level, int) and level <= full and f"'L;{bits}'" in str(getattr(image, "tile", "")):
            image.info["transparency"] = level * 255 // full
    is_deep_png = image.format == "PNG" and ";16" in str(getattr(image, "tile", ""))  # raw mode of the tiles
    samples: Samples | None = None  # of more than 8 bits
    try:
        # Pillow would change the pixel values of JPEG 2000 and deep PNG; damaged files are left to Pillow
        if file is not None and image.format == "JPEG2000":
            samples = decode_jpeg2000(file)
        if samples is None:
            _load(image, file, name)  # also reads EXIF and texts that follow the pixels of a PNG
            _drop_text_entries(image)
        if file is not None and is_deep_png:
            samples = decode_png(file)
        if samples is None and image.mode.startswith(("I", "F")):
            stored: NDArray[Any] = np.asarray(image)
            if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
                stored = stored.astype(np.uint16)
            samples = plain_samples(stored[..., None], 8 * stored.dtype.itemsize)
        if samples is None:
            return image_pixels(image)
        return sample_pixels(samples, image.info.get("icc_profile") or None)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # as in `_load`; a GIF without a palette raises AssertionError
        raise ImageError(
            f"{name} has an unsupported color mode ({image.mode}: {error}). Convert it to RGB or grayscale."
        ) from error


def _drop_text_entries(image: Image.Image) -> None:
    """Remove PNG texts that replaced entries of another type in ``image.info``.

    Pillow stores the text with the keyword ``dpi`` like the resolution. `from_pil` reads all texts.
    """
    for key in ("dpi", "icc_profile", "photoshop", "transparency"):
        if isinstance(image.info.get(key), str):
            del image.info[key]


def _load(image: Image.Image, file: IO[bytes] | None, name: str) -> None:
    try:
        image.load()
    except MemoryError:
        raise ImageError(
            f"{name} ({image.width} x {image.height} pixels) does not fit into memory. Downscale the image."
        ) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, EOFError, struct.error and others
        problem = "is damaged or truncated"
        if file is not None:
            file.seek(0)
            variant = unsupported_variant(file.read()) if image.format in ("JPEG", "MPO", "PNG") else None
            problem = f"is not supported ({variant}), or damaged" if variant else problem
        raise ImageError(f"{name} {problem}: {_one_line(error)}") from error
