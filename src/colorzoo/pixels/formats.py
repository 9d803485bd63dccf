"""Supported image formats.

Images can come from untrusted sources, such as uploads to the drawing pad (the editor in the browser). Only
the Pillow readers in `FORMATS` are enabled, because other readers start programs (EPS starts Ghostscript) or
are not well tested. HEIC also requires the library of the package extra ``colorzoo[formats]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image

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
    ".psd": "PSD",
}
"""Output format of each file extension."""
VARIANTS = {"MPO": "JPEG", "DIB": "BMP"}  # several JPEG images; BMP without a file header
_READ_ONLY = (".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".mpo", ".heic", ".heif", ".hif")
READABLE = frozenset({*WRITABLE, *_READ_ONLY}) - {".ora", ".psd"}
"""Extensions of the images that a search in folders finds."""
VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"}
)
"""Extensions of video files."""


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """Open an image file with the Pillow readers in `FORMATS` without decoding the pixels.

    Args:
        source: Path or seekable stream of the file.

    Raises:
        PIL.UnidentifiedImageError: The format of the file is not enabled.
        OSError: The file cannot be read.
    """
    return Image.open(source, formats=FORMATS)
