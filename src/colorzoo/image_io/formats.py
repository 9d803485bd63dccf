"""Supported image formats.

Images can come from untrusted sources, such as uploads to the drawing pad (the editor in the browser). Only
the Pillow readers in `FORMATS` are enabled, because other readers start programs (EPS starts Ghostscript) or
are not well tested. HEIC also requires the library of the package extra ``colorzoo[formats]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image

from colorzoo.errors import ImageError

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
_READ_ONLY = (".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".mpo", ".heic", ".heif", ".hif")
READABLE = frozenset({*WRITABLE, *_READ_ONLY}) - {".ora"}
"""Extensions of the images that a search in folders finds."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """Open an image file with the Pillow readers in `FORMATS` without decoding the pixels.

    Args:
        source: Path or seekable stream of the file.

    Raises:
        PIL.UnidentifiedImageError: The format of the file is not enabled.
        OSError: The file cannot be read.
    """
    return Image.open(source, formats=FORMATS)


def is_heic(file: IO[bytes]) -> bool:
    """Return whether the content of a file is HEIC."""
    file.seek(0)
    head = file.read(64)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[8:]


def register_heic_reader(name: str) -> None:
    """Register the reader ``"HEIF"`` with Pillow.

    Args:
        name: Name of the image file for the error message.

    Raises:
        ImageError: The package pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            f"{name} (HEIC) requires an optional package. Run `python -m pip install "
            "'colorzoo[formats]'`, or convert the file to JPEG or TIFF."
        ) from error
    pillow_heif.register_heif_opener()


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
