"""Image formats that can be read and written, and the libraries for HEIC, JPEG XL and raw files.

Images come from untrusted sources (the pad, shards, archives), so Pillow's other readers are never used,
whatever the name of a file: some start programs (EPS starts Ghostscript), others are little tested.
The libraries of the extra ``formats`` are imported when such a file is read.
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
from colorzoo.image_io.metadata import Metadata, descriptive
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.tags import EXIF_IFD, GPS_IFD, exif_block, read_tags

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Names of the Pillow readers in use; they go by content, not by file name. MPO is read as JPEG."""
WRITABLE = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".webp": "WEBP",
    ".gif": "GIF",
    ".avif": "AVIF",
}
"""Format by file extension, of the formats that can be written."""
READABLE = frozenset({*WRITABLE, ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".mpo"})
"""Extensions by which images are found in a folder; a file named by the user is read whatever its name."""
RAW = "a raw file"
OTHER_FORMATS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"), RAW),
    ".jxl": "JPEG XL",
    ".pdf": "PDF",
    ".svg": "SVG",
    ".xcf": "a GIMP file",
    ".psd": "a Photoshop file",
    ".dpx": "DPX",
    ".cin": "Cineon",
    ".exr": "OpenEXR",
    ".hdr": "Radiance HDR",
    ".tga": "TGA",
    ".pcx": "PCX",
    ".eps": "PostScript",
}
"""Formats that need an extra library or are refused by name, instead of being passed over in a folder."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL_STREAM, _JXL_BOX = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_RAW_MARKS = (b"FUJIFILMCCD-RAW", b"IIRO", b"MMOR", b"IIU\0")
# description, maker, model, software, date, artist, copyright; exposure; place
_RAW_TAGS = {270, 271, 272, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD}


def open_image(source: str | Path | IO[bytes], plugins: tuple[str, ...] = ()) -> Image.Image:
    """Open an image of one of `FORMATS` without decoding it.

    Args:
        source: A file, or a stream of its bytes.
        plugins: Further Pillow readers, registered by `Plugin.load`.

    Raises:
        PIL.UnidentifiedImageError: It is of no such format.
        OSError: It cannot be read.
    """
    return Image.open(source, formats=(*FORMATS, *plugins))


@dataclass(frozen=True)
class Plugin:
    """A library for a format that Pillow does not read.

    Attributes:
        title: Name of the format, for users.
        module: Module to import.
        reader: Its name among Pillow's readers; empty if it is none of them.
    """

    title: str
    module: str
    reader: str = ""

    @property
    def installed(self) -> bool:
        """True if the library is installed, checked without importing it."""
        return find_spec(self.module) is not None

    def load(self, name: str) -> Any:
        """Import the library and register its reader with Pillow.

        Args:
            name: The file that needs it.

        Raises:
            ImageError: It is not installed, or does not run here.
        """
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            raise self.refusal(name) from error
        if self is HEIC:
            module.register_heif_opener()
        return module

    def refusal(self, name: str) -> ImageError:
        """Return the error for a file whose library is not installed."""
        return ImageError(
            f"{name} is {self.title}: python -m pip install 'colorzoo[formats]' reads it, or make it a JPEG "
            "or TIFF first"
        )


HEIC = Plugin("HEIC", "pillow_heif", "HEIF")
JPEG_XL = Plugin("JPEG XL", "pillow_jxl", "JXL")
CAMERA_RAW = Plugin(f"{RAW} of a camera", "rawpy")


def plugin_for(file: IO[bytes], extension: str) -> Plugin | None:
    """Return the library that a file needs; None for files that Pillow may read.

    Args:
        file: Its content, which decides, except for raw files that are TIFF by content.
        extension: The extension of its name, such as ``".dng"``; empty if it has none.
    """
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if head.startswith((_JXL_STREAM, _JXL_BOX)):
        return JPEG_XL
    if (head[4:8] == b"ftyp" and head[8:12] == b"crx ") or head.startswith(_RAW_MARKS):
        return CAMERA_RAW
    if head[:2] in (b"II", b"MM") and (head[8:10] == b"CR" or OTHER_FORMATS.get(extension.lower()) == RAW):
        return CAMERA_RAW
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[8:]:
        return HEIC
    return None


def jxl_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Read width and height of a JPEG XL without decoding it; None if it is damaged."""
    file.seek(0)
    stream = _jxl_stream(file)
    if stream[:2] != _JXL_STREAM:
        return None
    bits = int.from_bytes(stream[2:14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(small: int) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height, ratio = side(small), take(3)
    if ratio == 0:
        return side(small), height
    across, down = _JXL_RATIOS[ratio - 1]
    return height * across // down, height


def _jxl_stream(file: IO[bytes]) -> bytes:
    """Return the beginning of the coded image, which may lie in a box."""
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
    """Develop a raw file with LibRaw to 16 bits, with the camera's white balance.

    Raises:
        ImageError: The library is missing, or the file is damaged, of an unknown camera or too large.
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
        raise ImageError(f"{name} is {CAMERA_RAW.title} that cannot be developed ({reason})") from error
    rgb = stored.astype(np.float32)
    rgb /= 65535
    metadata = Metadata(exif=_raw_exif(file), format="raw")
    return RasterImage(rgb, bit_depth=16, metadata=metadata, notes=("developed from raw",))


def _raw_exif(file: IO[bytes]) -> bytes | None:
    """Return the descriptive EXIF tags of a raw file without its orientation: it is developed upright."""
    tags, _ = read_tags(file)
    return exif_block({tag: value for tag, value in descriptive(tags).items() if tag in _RAW_TAGS})


def check_pixel_count(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image that is too large.

    Args:
        name: Name of the image for the error message.
        size: Width and height.
        max_pixels: Largest number of pixels.

    Raises:
        ImageError: It has more pixels.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} = {width * height / 1e6:.1f} million pixels, more than the limit "
            f"of {max_pixels / 1e6:g} million: shrink it or raise the limit (--max-pixels; max_pixels in "
            "Python)"
        )
