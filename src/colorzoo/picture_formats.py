"""The picture formats that colorzoo opens: no file reaches another of Pillow's readers, whatever its name.

Some readers start other programs (EPS starts Ghostscript), others are hardly ever used, and so hardly ever
tried by attackers in public. Pictures come from strangers: by the pad, in shards, in archives.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Names of Pillow's readers, found by content, not by the name of a file. MPO is read as JPEG."""


def open_picture(source: str | Path | IO[bytes], plugins: tuple[str, ...] = ()) -> Image.Image:
    """Open a picture of one of `FORMATS` without decoding it.

    Args:
        source: A file, or a stream of its bytes.
        plugins: Further readers, of those that `colorzoo.inference.plugins` adds.

    Raises:
        PIL.UnidentifiedImageError: It is of no such format.
        OSError: It cannot be read.
    """
    return Image.open(source, formats=(*FORMATS, *plugins))
