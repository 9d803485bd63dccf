"""Read image files, arrays and PIL images as `RasterImage`."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from colorzoo.errors import ImageError
from colorzoo.image_io.containers import read_container, unsupported_variant
from colorzoo.image_io.formats import FORMATS, VARIANTS, VIDEO_EXTENSIONS
from colorzoo.image_io.metadata import (
    EXIF_PREFIX,
    IPTC_RESOURCE,
    ORIENTATION,
    Metadata,
    clean_exif,
    clean_xmp,
    without_positions,
)
from colorzoo.image_io.raster_image import (
    Pixels,
    RasterImage,
    array_pixels,
    drop_equal_channels,
    image_pixels,
    upright,
)
from colorzoo.image_io.tiff import (
    TIFF_SIGNATURES,
    Directory,
    Samples,
    SamplesError,
    decode_jpeg2000,
    decode_png,
    find_pages,
    plain_samples,
    read_page,
    sample_pixels,
)

MAX_PIXELS = 200_000_000

# PNG text keywords that describe the file itself, or that `Metadata` stores in another field; raw profiles of
# old software contain EXIF or XMP with the orientation of the source
_SKIPPED_TEXT = (
    *("XML:com.adobe.xmp", "Thumb::", "png:", "exif:Pixel"),
    *("Raw profile type exif", "Raw profile type xmp", "Raw profile type APP1"),
    *("Raw profile type icc", "Raw profile type icm"),  # the pixels are converted to sRGB
)

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_pixel_limit_lock = threading.Lock()


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
        return _first_page(find_pages(file), name).size
    with open_pil(file, name) as image:
        return image.size


def stored_format(data: bytes) -> str:
    """Return the format of the content of an image file, such as ``"JPEG"``; see `check_image` for errors."""
    with open_source(data) as (file, name):
        if is_tiff(file):
            return "TIFF"
        with open_pil(file, name) as image:
            return VARIANTS.get(image.format or "", image.format or "")


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


def read_file(file: IO[bytes], name: str, max_pixels: int) -> RasterImage:
    """Read the first image of an opened file; see `read_image`.

    Args:
        file: Stream from `open_source`.
        name: Path of the file, or name of the image for error messages.
        max_pixels: Maximum number of pixels; checked before decoding.
    """
    if is_tiff(file):
        pages = find_pages(file)
        raster = read_tiff_page(file, _first_page(pages, name), name, max_pixels)
        if len(pages) > 1:
            raster = replace(raster, notes=(f"first of {len(pages)} pages", *raster.notes))
    else:
        with open_pil(file, name) as image:
            check_pixel_count(name, image.size, max_pixels)
            raster = from_pil(image, file, name, frame_notes(image))
    source = None if isinstance(file, io.BytesIO) else Path(name)
    return replace(raster, metadata=replace(raster.metadata, source=source))


def read_pixels(data: bytes, *, draft_side: int | None = None, max_pixels: int = MAX_PIXELS) -> RasterImage:
    """Read an image file as `read_image` does, but skip metadata that is not needed to decode the pixels.

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
            return read_file(file, name, max_pixels)
        with open_pil(file, name) as image:
            check_pixel_count(name, image.size, max_pixels)
            if draft_side is not None and draft_side < min(image.size):
                factor = draft_side / min(image.size)
                image.draft("RGB", (round(image.width * factor), round(image.height * factor)))
            pixels = _decode(image, file, name)
            return _assemble(pixels, Metadata(), exif_orientation(image))


def _first_page(pages: Sequence[Directory], name: str) -> Directory:
    if not pages:
        raise ImageError(f"{name} is damaged or incomplete: this TIFF file contains no image")
    return pages[0]


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
            image.info.update(read_container(image.format, file.read())[0])
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
    pixels = _decode(image, file, name)
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


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that must be applied to a decoded image, from 1 to 8."""
    is_upright = image.format == "TIFF"  # the decoder returns an upright image
    return 1 if is_upright else stored_orientation(image)


def stored_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of the stored pixels, from 1 to 8."""
    try:
        stored: Any = image.getexif().get(ORIENTATION)
        return stored if stored in range(1, 9) else 1
    except Exception:  # Pillow raises many types of errors for damaged EXIF
        return 1


def _decode(image: Image.Image, file: IO[bytes] | None, name: str) -> Pixels:
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


def _assemble(pixels: Pixels, metadata: Metadata, orientation: int) -> RasterImage:
    """Rotate the pixels upright and add the metadata."""
    levels = pixels.levels if pixels.levels.ndim == 2 else drop_equal_channels(pixels.levels, pixels.alpha)
    if orientation != 1:
        metadata = without_positions(metadata)
    return RasterImage(
        levels=upright(levels, orientation),  # also contiguous; a TIFF can store its channels one by one
        alpha=None if pixels.alpha is None else upright(pixels.alpha, orientation),
        bit_depth=pixels.bit_depth,
        metadata=replace(metadata, icc=pixels.icc),
        notes=pixels.notes,
    )
