"""Reading of any image file, array or PIL image as an `RasterImage`."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from colorzoo.errors import CutShortError, ImageError
from colorzoo.image_io.formats import (
    CAMERA_RAW,
    JPEG_XL,
    OTHER_FORMATS,
    Plugin,
    check_pixel_count,
    develop_raw,
    jxl_size,
    open_image,
    plugin_for,
)
from colorzoo.image_io.metadata import Exif, Metadata, clean_exif, clean_xmp
from colorzoo.image_io.pixels import Pixels, array_pixels, declared_bits, from_light, image_pixels
from colorzoo.image_io.raster_image import RasterImage, drop_equal_channels, upright
from colorzoo.image_io.samples import (
    SamplesError,
    decode_jpeg2000,
    decode_jxl,
    decode_png,
    deep_gray,
    sample_pixels,
)
from colorzoo.image_io.tiff import MOST_PAGES, TIFF_MARKS, Directory, TiffPages, find_pages, read_page

MAX_PIXELS = 200_000_000

_IPTC_RESOURCE = 0x0404  # of the segment APP13 of a JPEG
# texts of a PNG that describe its file, or that have a field of their own
_TEXT_OF_FILE = ("XML:com.adobe.xmp", "Raw profile type", "Thumb::", "png:", "exif:Pixel")
_FOREIGN_CONTENT = {
    b"v/1\x01": "OpenEXR",
    b"SDPX": "DPX",
    b"XPDS": "DPX",
    b"#?RADIANCE": "Radiance HDR",
    b"8BPS": "a Photoshop file",
    b"gimp xcf": "a GIMP file",
    b"SIMPLE  =": "FITS",
}
_SRGB_GAMMA, _LEAST_GAMMA, _MOST_GAMMA = 0.45455, 0.1, 3.0

_pixel_limit_lock = threading.Lock()


def read_image(
    source: str | Path | bytes | Image.Image | NDArray[Any],
    *,
    max_pixels: int = MAX_PIXELS,
) -> RasterImage:
    """Read an image of any format, mode, depth, profile or orientation.

    Examples:
        >>> image = read_image("photo.png")
        >>> image.size, image.rgb.shape
        ((48, 32), (32, 48, 3))

    The format is found by content, not by name. Of several frames or pages the first is read; see
    `colorzoo.image_io.frames` for all of them.

    Args:
        source: A file, the bytes of one, a PIL image, or an array: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)``
            or ``(H, W, 4)`` of uint8, uint16 or float in [0, 1], taken as sRGB.
        max_pixels: Refuse images of more pixels, before they are decoded.

    Returns:
        The upright sRGB image.

    Raises:
        ImageError: The source is missing, no image, damaged or too large.
    """
    if isinstance(source, np.ndarray):
        if source.ndim > 1:
            check_pixel_count("the array", (source.shape[1], source.shape[0]), max_pixels)
        return _assemble(array_pixels(source), Metadata(), Exif())
    if isinstance(source, Image.Image):
        check_pixel_count("the image", source.size, max_pixels)
        return from_pil(source, None, "the image", frame_notes(source))
    given: object = source
    if not isinstance(given, str | Path | bytes):
        kind = type(given).__name__
        raise ImageError(f"a path, bytes, PIL image or array was expected as image, got {kind}")
    with open_source(source) as (file, name):
        return read_file(file, name, max_pixels)


def check_image(source: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
    """Raise the errors of `read_image` that can be found without decoding.

    Raises:
        ImageError: See `read_image`.
    """
    with open_source(source) as (file, name):
        plugin = plugin_for(file, Path(name).suffix)
        if plugin is not None:
            if not plugin.installed:
                raise plugin.refusal(name)
        else:
            check_pixel_count(name, stored_size(file, name), max_pixels)


def stored_size(file: IO[bytes], name: str) -> tuple[int, int]:
    """Read width and height of an image without decoding it.

    Raises:
        ImageError: It is no image, damaged, or of a format that needs an extra library.
    """
    if is_tiff(file):
        return _first_page(find_pages(file), name).size
    with open_pil(file, name) as image:
        return image.size


def is_tiff(file: IO[bytes]) -> bool:
    """Return whether a file is a TIFF by its content."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in TIFF_MARKS


@contextmanager
def open_source(source: str | Path | bytes) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file, or the bytes of one.

    Yields:
        A seekable stream, and its name for error messages.

    Raises:
        ImageError: It is missing, empty, or no file.
    """
    if isinstance(source, bytes):
        if not source:
            raise ImageError("the image is empty (0 bytes)")
        yield io.BytesIO(source), "the image"
        return
    path = Path(source)
    with _opened_file(path) as file:
        if file.seek(0, io.SEEK_END) == 0:
            raise ImageError(f"{path} is empty (0 bytes), copy it again from where it came")
        file.seek(0)
        yield file, str(path)


def _opened_file(path: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder, an image file was expected")
        file = path.open("rb")
        if file.seekable():
            return file
        with file:  # a pipe
            return io.BytesIO(file.read())
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def read_file(file: IO[bytes], name: str, max_pixels: int) -> RasterImage:
    """Read the first image of an opened file; see `read_image`.

    Args:
        file: A stream of `open_source`.
        name: Its name for error messages; for a file its path.
        max_pixels: See `read_image`.
    """
    plugin = plugin_for(file, Path(name).suffix)
    if plugin is CAMERA_RAW:
        raster = develop_raw(file, name, max_pixels)
    elif plugin is None and is_tiff(file):
        found = find_pages(file)
        raster = read_tiff_page(file, _first_page(found, name), name, max_pixels)
        raster = replace(
            raster, notes=(*_count_notes(len(found.pages), "pages"), *found.notes(), *raster.notes)
        )
    else:
        if plugin is JPEG_XL and (size := jxl_size(file)):
            check_pixel_count(name, size, max_pixels)
        with open_pil(file, name, plugin) as image:
            check_pixel_count(name, image.size, max_pixels)
            notes = frame_notes(image)
            if image.info.get("default_image"):  # which only programs without support for animations show
                image.seek(1)
            raster = from_pil(image, file, name, notes)
    source = None if isinstance(file, io.BytesIO) else Path(name)
    return replace(raster, metadata=replace(raster.metadata, source=source))


def _first_page(found: TiffPages, name: str) -> Directory:
    if not found.pages:
        raise CutShortError(
            f"{name} is a TIFF that is damaged or cut short: none of its directories is an image"
        )
    return found.pages[0]


def read_tiff_page(file: IO[bytes], page: Directory, name: str, max_pixels: int) -> RasterImage:
    """Read a page of a TIFF; see `read_image`."""
    check_pixel_count(name, page.size, max_pixels)  # before decoding, which would take the memory
    return _assemble(*read_page(file, page, name))


@contextmanager
def _without_pixel_limit() -> Iterator[None]:
    """Lift Pillow's pixel limit, a global, for one short step; `check_pixel_count` takes its place."""
    with _pixel_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def open_pil(file: IO[bytes], name: str, plugin: Plugin | None = None) -> Iterator[Image.Image]:
    """Open an image without decoding it.

    Raises:
        ImageError: It is no image, damaged, or of a format whose library is not installed.
    """
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if plugin is not None:
        plugin.load(name)
    try:
        with _without_pixel_limit():
            image = open_image(file, (plugin.reader,) if plugin else ())
    except UnidentifiedImageError:
        hint = _hint(head, Path(name).suffix.lower(), plugin)
        raise ImageError(f"{name} is not an image{hint}") from None
    except Exception as error:  # a damaged header raises any error of the format's parser
        raise CutShortError(f"{name} is damaged and cannot be read ({_one_line(error)})") from error
    with image:
        yield image


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _hint(head: bytes, extension: str, plugin: Plugin | None) -> str:
    if plugin is not None:
        return f" that can be read, though it begins like {plugin.title}: it may be cut short"
    if head[4:8] == b"ftyp":
        return " but a film, or an image that only another tool can read"
    if head[:5] == b"%PDF-":
        return " but PDF: take the images out of it first (pdfimages does)"
    if head.lstrip()[:4] == b"%!PS" or head[:4] == b"\xc5\xd0\xd3\xc6":
        return " but PostScript (EPS), which is a program: export it as PNG or TIFF first"
    if head.startswith(b"\xff\xd8\xff"):
        return " that can be read but a JPEG of 12 bits, lossless or damaged: save it as TIFF or PNG first"
    if b"<svg" in head or (head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<?xml") and extension == ".svg"):
        return " but SVG, a drawing of lines: export it as PNG first"
    if head[:1] == b"\n" and head[1:2] in b"\0\2\3\4\5" and head[2:3] == b"\1":
        return " that can be read but PCX: save it as PNG or TIFF first"
    content = next((kind for start, kind in _FOREIGN_CONTENT.items() if head.startswith(start)), None)
    if content is not None:
        return f" that can be read but {content}: save it as PNG or TIFF first"
    if extension in OTHER_FORMATS:
        return (
            f" that can be read; by its name it is {OTHER_FORMATS[extension]}: save it as PNG or TIFF first"
        )
    return ". Use JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF or JPEG 2000"


def from_pil(
    image: Image.Image, file: IO[bytes] | None, name: str, notes: tuple[str, ...] = ()
) -> RasterImage:
    """Convert the current frame of an opened PIL image to an image.

    Args:
        image: The image; it is decoded if it was not.
        file: Its file; None for an image in memory.
        name: Its name for error messages.
        notes: Notes to put before those of the conversion.

    Raises:
        ImageError: It is damaged.
    """
    bits = 8 if file is None else declared_bits(image, file)
    try:
        pixels = None if file is None else _beyond_pillow(image, file, bits)
        if pixels is None or image.format == "PNG":  # whose EXIF may stand behind the pixels
            _load(image, name)
        if pixels is None and image.mode.startswith(("I", "F")):
            pixels = _deep_pixels(image)
        pixels = pixels or image_pixels(image, bits)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # as in `_load`; of a GIF without palette even an AssertionError
        raise ImageError(f"{name} of mode {image.mode} cannot be read ({error})") from error
    exif = clean_exif(_raw_exif(image))
    if image.format in ("JXL", "TIFF"):  # their decoders turn images upright whatever EXIF says
        exif = replace(exif, orientation=1)
    xmp, xmp_orientation = clean_xmp(_as_bytes(image.info.get("xmp")), turned=exif.orientation != 1)
    if exif.orientation == 1 and image.format not in ("TIFF", "HEIF", "JXL"):
        exif = replace(exif, orientation=xmp_orientation)
    if image.format == "PNG":
        exponent, note = _transfer(image.info)
        pixels = from_light(pixels, exponent)
        notes += (note,) if note else ()
    return _assemble(replace(pixels, notes=notes + pixels.notes), _metadata(image, file, exif, xmp), exif)


def _beyond_pillow(image: Image.Image, file: IO[bytes], bits: int) -> Pixels | None:
    """Decode samples that Pillow would change; None if it reads them well, or if they are damaged."""
    samples = None
    if image.format == "JPEG2000":
        samples = decode_jpeg2000(file)
    elif image.format == "JXL":
        samples = decode_jxl(file)
    elif image.format == "PNG" and bits == 16 and image.mode in ("RGB", "RGBA", "LA"):
        file.seek(0)
        is_animated = getattr(image, "is_animated", False)  # Pillow composes its frames, of 8 bits
        samples = None if is_animated else decode_png(file.read(), image.info.get("transparency"))
    return None if samples is None else sample_pixels(samples, image.info.get("icc_profile") or None)


def _deep_pixels(image: Image.Image) -> Pixels:
    stored: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        stored = stored.astype(np.uint16)
    return deep_gray(stored, image.info.get("transparency"), image.info.get("icc_profile") or None)


def _transfer(info: dict[Any, Any]) -> tuple[float | None, str]:
    """Return the exponent of light that gives the values of a PNG, None for sRGB, and a note on the gamma."""
    gamma = info.get("gamma")
    if not gamma or "icc_profile" in info or "srgb" in info or abs(gamma - _SRGB_GAMMA) < 0.009:
        return None, ""
    if not _LEAST_GAMMA <= gamma <= _MOST_GAMMA:
        return None, f"its gamma of {gamma:g} is out of range and was ignored"
    return gamma, ""


def frame_notes(image: Image.Image) -> tuple[str, ...]:
    """Return a note if the file holds more than one image."""
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later page is no reason to refuse the first
        return ("later frames are damaged and were left out",)
    return _count_notes(count, "pages" if image.format == "TIFF" else "frames")


def _count_notes(count: int, unit: str) -> tuple[str, ...]:
    if count < 2:
        return ()
    return (f"first of {f'more than {MOST_PAGES}' if count > MOST_PAGES else count} {unit}",)


def _load(image: Image.Image, name: str) -> None:
    try:
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            with _without_pixel_limit():
                image.load()
        else:
            image.load()
    except MemoryError:
        raise ImageError(
            f"{name} does not fit into memory at {image.width} x {image.height} pixels"
        ) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, EOFError, struct.error and more
        raise CutShortError(f"{name} is damaged or cut short: {_one_line(error)}") from error


def _as_bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _raw_exif(image: Image.Image) -> bytes | None:
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # as ImageMagick writes it into PNG
        lines = str(image.info["Raw profile type exif"]).split("\n")[3:]
        with suppress(ValueError):
            raw = bytes.fromhex("".join(lines))
    return raw if isinstance(raw, bytes) else None


def _metadata(image: Image.Image, file: IO[bytes] | None, exif: Exif, xmp: bytes | None) -> Metadata:
    info = image.info
    dpi = info.get("dpi")
    if dpi is not None:
        dpi = (float(dpi[0]), float(dpi[1]))
        dpi = dpi if min(dpi) > 1 else None  # 1 x 1 is a pixel aspect ratio, not a resolution
    if dpi is not None and exif.orientation >= 5:
        dpi = dpi[::-1]
    texts = getattr(image, "text", {}) if image.format == "PNG" else {}
    captions = (info.get("photoshop") or {}).get(_IPTC_RESOURCE)
    return Metadata(
        exif=exif.block,
        icc=info.get("icc_profile"),
        xmp=xmp,
        dpi=dpi,
        text=tuple((key, str(value)) for key, value in texts.items() if not key.startswith(_TEXT_OF_FILE)),
        comment=_as_bytes(info.get("comment")),
        iptc=_as_bytes(captions),
        format="JPEG" if image.format == "MPO" else image.format,
        lossless=image.format == "WEBP" and file is not None and _is_lossless_webp(file),
    )


def _is_lossless_webp(file: IO[bytes]) -> bool:
    """Check the type of the first chunk of pixels."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"ANMF":  # a frame, which holds chunks of its own
            file.seek(16, io.SEEK_CUR)
        elif name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        else:
            file.seek(size + size % 2, io.SEEK_CUR)
    return False


def _assemble(pixels: Pixels, metadata: Metadata, exif: Exif) -> RasterImage:
    """Turn the pixels upright and attach their metadata."""
    return RasterImage(
        levels=upright(drop_equal_channels(pixels.levels), exif.orientation),
        alpha=None if pixels.alpha is None else upright(pixels.alpha, exif.orientation),
        bit_depth=pixels.bit_depth,
        metadata=replace(metadata, icc=pixels.icc),
        notes=pixels.notes + ((exif.note,) if exif.note else ()),
    )
