"""Supported image formats, and optional libraries for HEIC, JPEG XL and camera raw files.

Images can come from untrusted sources, such as uploads to the drawing pad (the editor in the browser). Only
the Pillow readers in `FORMATS` are enabled, because other readers start programs (EPS starts Ghostscript) or
are not well tested. The libraries of the package extra ``colorzoo[formats]`` are imported when a file
requires them.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.metadata import Metadata, clean_exif
from colorzoo.image_io.raster_image import RasterImage

# the first five readers come first, because Pillow loads all its plugins to look up any other reader
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "AVIF", "JPEG2000", "TIFF", "WEBP")
"""Enabled Pillow readers; MPO files are read as JPEG."""
WRITABLE = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".webp": "WEBP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".ora": "OpenRaster",
}
"""Output format of each file extension."""
READABLE = frozenset({*WRITABLE, ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".mpo"}) - {".ora"}
"""Extensions of the images that a search in folders finds."""
RAW = "a camera raw file"
OTHER_FORMATS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"), RAW),
    ".jxl": "JPEG XL",
}
"""Format of each file extension that requires an additional library."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL_STREAM, _JXL_BOX = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_SIDE_BITS = (9, 13, 18, 30)  # possible bit counts of a width or height
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"MMOR", b"IIU\0")


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """Open an image file with the Pillow readers in `FORMATS` without decoding the pixels.

    Args:
        source: Path or seekable stream of the file.

    Raises:
        PIL.UnidentifiedImageError: The format of the file is not enabled.
        OSError: The file cannot be read.
    """
    return Image.open(source, formats=FORMATS)


@dataclass(frozen=True)
class Plugin:
    """An optional library for a format that Pillow cannot read.

    Attributes:
        title: Name of the format in messages.
        module: Module to import.
        reader: Name of the Pillow reader that the module registers; empty if it registers no reader.
    """

    title: str
    module: str
    reader: str = ""

    @property
    def installed(self) -> bool:
        """Whether the library is installed; determined without importing the library."""
        return find_spec(self.module) is not None

    def load(self, name: str) -> Any:
        """Import the library and register its reader with Pillow.

        Args:
            name: Name of the image file, for the error message.

        Raises:
            ImageError: The library is not installed or cannot be imported.
        """
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            raise self.missing_error(name) from error
        if self is HEIC:
            module.register_heif_opener()
        return module

    def missing_error(self, name: str) -> ImageError:
        """Return an error with the command that installs the library.

        Args:
            name: Name of the image file that requires the library.
        """
        return ImageError(
            f"{name} ({self.title}) requires an optional package. Run `python -m pip install "
            "'colorzoo[formats]'`, or convert the file to JPEG or TIFF."
        )


HEIC = Plugin("HEIC", "pillow_heif", "HEIF")
JPEG_XL = Plugin("JPEG XL", "pillow_jxl", "JXL")
CAMERA_RAW = Plugin(RAW, "rawpy")


def plugin_for(file: IO[bytes], extension: str) -> Plugin | None:
    """Return the optional library that a file requires; None if Pillow is sufficient.

    Args:
        file: Stream of the file. The content determines the format, except for raw files based on TIFF.
        extension: Extension of the file name, such as ``".dng"``, which identifies raw files based on TIFF.
    """
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if head.startswith((_JXL_STREAM, _JXL_BOX)):
        return JPEG_XL
    if (head[4:8] == b"ftyp" and head[8:12] == b"crx ") or head.startswith(_RAW_SIGNATURES):
        return CAMERA_RAW
    if head[:2] in (b"II", b"MM") and (head[8:10] == b"CR" or OTHER_FORMATS.get(extension.lower()) == RAW):
        return CAMERA_RAW
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[8:]:
        return HEIC
    return None


def jxl_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Read the width and height of a JPEG XL file from its header.

    The result is None if the header is damaged. Pillow cannot read the size for the pixel limit, because
    pillow_jxl decodes a file when it opens the file.
    """
    file.seek(0)
    stream = _jxl_stream(file)
    if stream[:2] != _JXL_STREAM:
        return None
    reader = _BitReader(stream[2:14])
    is_small = reader.read(1) == 1
    height = _jxl_side(reader, is_small)
    ratio = reader.read(3)
    if ratio == 0:
        width = _jxl_side(reader, is_small)
        return width, height
    numerator, denominator = _JXL_RATIOS[ratio - 1]
    return height * numerator // denominator, height


def _jxl_side(reader: _BitReader, is_small: bool) -> int:
    """Read the width or height of a JPEG XL image in pixels."""
    if is_small:
        return 8 * (reader.read(5) + 1)
    bit_count = _JXL_SIDE_BITS[reader.read(2)]
    return reader.read(bit_count) + 1


class _BitReader:
    """Reader of unsigned integers that are stored with the least significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._remaining = int.from_bytes(data, "little")

    def read(self, count: int) -> int:
        """Return the integer of the next ``count`` bits."""
        value = self._remaining & ((1 << count) - 1)
        self._remaining >>= count
        return value


def _jxl_stream(file: IO[bytes]) -> bytes:
    """Return the first bytes of the JPEG XL codestream, which can be inside a container."""
    while True:
        head = file.read(8)
        if head[:2] == _JXL_STREAM:
            return head + file.read(16)
        size, box = int.from_bytes(head[:4], "big"), head[4:8]
        if box in (b"jxlc", b"jxlp"):
            return file.read(28)[4 if box == b"jxlp" else 0 :]
        if size < 8 or len(head) < 8:
            return b""
        file.seek(size - 8, io.SEEK_CUR)


def develop_raw(file: IO[bytes], name: str, max_pixels: int) -> RasterImage:
    """Convert a camera raw file to sRGB with LibRaw and the camera's white balance.

    The result has float32 pixels, computed from 16 bits per channel.

    Args:
        file: Stream of the file.
        name: Name of the file for error messages.
        max_pixels: Maximum number of pixels; checked before decoding.

    Raises:
        ImageError: LibRaw is missing, or the file is damaged, too large or from an unsupported camera.
    """
    library = CAMERA_RAW.load(name)
    file.seek(0)
    try:
        with library.imread(file) as raw:
            check_pixel_count(name, (raw.sizes.width, raw.sizes.height), max_pixels)
            stored = raw.postprocess(output_bps=16, use_camera_wb=True)
    except (library.LibRawError, ValueError, OSError, MemoryError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ImageError(
            f"{name} is {CAMERA_RAW.title} that is not supported ({reason}). Convert it to DNG or TIFF."
        ) from error
    rgb = stored.astype(np.float32)
    rgb /= 65535
    metadata = Metadata(exif=clean_exif(file)[0], format="raw")  # not every raw file is based on TIFF
    return RasterImage(rgb, bit_depth=16, metadata=metadata, notes=("developed from raw",))


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
