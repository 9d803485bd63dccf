"""HEIC, JPEG XL and raw files of cameras: read by libraries of the extra ``formats``, if they are installed.

They are imported when such a file comes along. Without them a file is refused by name, with the command that
installs what it needs.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Any

import numpy as np
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.inference.metadata import EXIF_IFD, GPS_IFD, Metadata, strip_prefix
from colorzoo.inference.paths import FOREIGN, RAW
from colorzoo.inference.picture import Picture

INSTALL = "python -m pip install 'colorzoo[formats]'"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL_STREAM, _JXL_BOX = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_RAW_MARKS = (b"FUJIFILMCCD-RAW", b"IIRO", b"MMOR", b"IIU\0")
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEAD = 64
#: Description, maker, model, software, date, artist, copyright; exposure; place.
_TOLD = {270, 271, 272, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD}


@dataclass(frozen=True)
class Plugin:
    """A library that reads a format which Pillow does not.

    Attributes:
        title: The format, for users.
        module: What is imported.
        reader: Its name among Pillow's readers; empty for one that Pillow does not know.
    """

    title: str
    module: str
    reader: str = ""

    @property
    def installed(self) -> bool:
        """Whether the library is there; it is not imported for that."""
        return find_spec(self.module) is not None

    def load(self, name: str) -> Any:
        """Import the library and make its reader known to Pillow.

        Args:
            name: The file that needs it.

        Raises:
            PictureError: It is not installed, or does not run here.
        """
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            raise self.refusal(name) from error
        if self is HEIC:
            module.register_heif_opener()
        return module

    def refusal(self, name: str) -> PictureError:
        """Return the error for a file whose library is not installed."""
        return PictureError(f"{name} is {self.title}: {INSTALL} reads it, or make it a JPEG or TIFF first")


HEIC = Plugin("HEIC", "pillow_heif", "HEIF")
JPEG_XL = Plugin("JPEG XL", "pillow_jxl", "JXL")
CAMERA_RAW = Plugin(f"{RAW} of a camera", "rawpy")


def plugin_for(file: IO[bytes], extension: str) -> Plugin | None:
    """Say which library reads a file; None for one that Pillow may know.

    Args:
        file: Its content, which tells, but for raw files that are TIFF by content.
        extension: The one of its name, such as ``".dng"``; empty where it has none.
    """
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith((_JXL_STREAM, _JXL_BOX)):
        return JPEG_XL
    if (head[4:8] == b"ftyp" and head[8:12] == b"crx ") or head.startswith(_RAW_MARKS):
        return CAMERA_RAW
    if head[:2] in (b"II", b"MM") and (head[8:10] == b"CR" or FOREIGN.get(extension.lower()) == RAW):
        return CAMERA_RAW
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[8:]:
        return HEIC
    return None


def jxl_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Read width and height of a JPEG XL, whose library would decode it all to tell; None if damaged."""
    file.seek(0)
    stream = _codestream(file)
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
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _codestream(file: IO[bytes]) -> bytes:
    """Return the beginning of the coded picture, which may lie in a box."""
    while True:
        head = file.read(8)
        if head[:2] == _JXL_STREAM:
            return head + file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind in (b"jxlc", b"jxlp"):
            return file.read(28)[4 if kind == b"jxlp" else 0 :]
        if size < 8 or len(head) < 8:
            return b""
        file.seek(size - 8, io.SEEK_CUR)


def develop(file: IO[bytes], name: str, max_pixels: int) -> Picture:
    """Develop a raw file by LibRaw, as its camera balanced it, to 16 bits.

    Raises:
        PictureError: The library is missing, or the file is damaged, of an unknown camera or too large.
    """
    library = CAMERA_RAW.load(name)
    file.seek(0)
    try:
        with library.imread(file) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            if width * height <= max_pixels:
                stored = raw.postprocess(output_bps=16, use_camera_wb=True)
    except (library.LibRawError, ValueError, OSError, MemoryError) as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise PictureError(f"{name} is {CAMERA_RAW.title} that cannot be developed ({said})") from error
    if width * height > max_pixels:
        raise too_many_pixels(name, (width, height), max_pixels)
    rgb = stored.astype(np.float32)
    rgb /= 65535
    metadata = Metadata(exif=_raw_exif(file), format="raw")
    return Picture(rgb, bit_depth=16, metadata=metadata, notes=("developed from raw",))


def _raw_exif(file: IO[bytes]) -> bytes | None:
    """Return what a raw file that is TIFF says of who took it, when and how; it is developed upright."""
    file.seek(0)
    found, kept = Image.Exif(), Image.Exif()
    try:
        found.load(b"Exif\0\0" + file.read())
        for tag in _TOLD & set(found):
            kept[tag] = found.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else found[tag]
        return strip_prefix(kept.tobytes()) if len(kept) else None
    except Exception:  # damaged tags raise anything, and none of it may stop the picture
        return None


def too_many_pixels(name: str, size: tuple[int, int], max_pixels: int) -> PictureError:
    """Return the error for a picture beyond the limit."""
    width, height = size
    return PictureError(
        f"{name} has {width} x {height} = {width * height / 1e6:.1f} million pixels, more than the limit "
        f"of {max_pixels / 1e6:g} million: shrink it or raise the limit (--max-pixels; max_pixels in Python)"
    )
