"""Recognize results of colorzoo by the record in their XMP packet or sidecar file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import IO

from colorzoo.pixels.decode import open_without_limit

NAMESPACE = "urn:colorzoo:origin:1"
RECORD = re.compile(
    rf'<rdf:Description\b[^>]*xmlns:colorzoo="{NAMESPACE}"[^>]*(?:/>|(?<!/)>.*?</rdf:Description>)', re.DOTALL
)
"""XMP description of a colorized image."""


def sidecar_path(path: Path) -> Path:
    """Return the path of an image's sidecar file, ``NAME.EXT.colorzoo.xmp``.

    Other software writes its sidecar files to ``NAME.EXT.xmp``.
    """
    named = path if path.name not in ("", "..") else path.resolve()
    return named.parent / f"{named.name}.colorzoo.xmp"


def read_record(path: Path) -> str | None:
    """Read the record of a result from the image file or its sidecar file; None if there is no record."""
    # unlike the methods of Path, these functions do not raise an error for names that are too long
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):  # noqa: PTH110, PTH112, PTH113
        return None  # reading a pipe would block
    record = embedded_record(path)
    if record is None:
        with suppress(OSError):
            return find_record(sidecar_path(path).read_bytes())
    return record


def embedded_record(source: Path | IO[bytes]) -> str | None:
    """Read the record in an image file; None if the file contains no record or is not an image.

    Args:
        source: Path or seekable stream of the image file.
    """
    try:
        with open_without_limit(source) as image:
            return find_record(image.info.get("xmp"))
    except Exception:  # parsers raise many types of errors for damaged files
        return None


def find_record(packet: bytes | None) -> str | None:
    """Return the record in an XMP packet; None if the packet contains no record."""
    match = RECORD.search((packet or b"").decode("utf-8", "replace"))
    return match[0] if match else None
