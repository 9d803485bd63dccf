"""Metadata of picture files, and the transfer of EXIF and XMP from one file to another."""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from PIL import Image

ORIENTATION = 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965

LAYOUT_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301}
    | {*range(317, 326), 330, 332, 333, 334, *range(336, 343), 347, *range(512, 533), 700, 34675}
)
"""TIFF tags that describe the layout of one file and would be wrong in any other."""
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:\s*=\s*["\']|>))([1-8])')


@dataclass(frozen=True)
class Metadata:
    """Metadata of a picture file; every field may be absent.

    Attributes:
        exif: EXIF block (TIFF structure, no ``Exif`` prefix), orientation reset to 1, thumbnail unlinked.
        icc: Profile of the converted pixels: an sRGB profile, or None if the file had none.
        xmp: XMP packet, orientation reset to 1.
        dpi: Horizontal and vertical resolution in dots per inch, of the upright picture.
        text: Keywords and values of PNG text chunks.
        comment: JPEG or GIF comment.
        photoshop: JPEG APP13 segment (IPTC captions), unchanged.
        format: Pillow's name of the source format, such as ``"PNG"``; None for arrays.
        lossless: The source is a lossless WebP.
        uncompressed: The source is an uncompressed TIFF.
        source: File that the picture was read from; None for arrays and PIL images.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    photoshop: bytes | None = None
    format: str | None = None
    lossless: bool = False
    uncompressed: bool = False
    source: Path | None = None


@dataclass(frozen=True)
class Exif:
    """EXIF block for an upright picture.

    Attributes:
        block: TIFF structure with orientation 1, or None.
        orientation: Stored orientation, 1 to 8 (1 if absent or out of range).
        note: Damage that was found, or None.
    """

    block: bytes | None = None
    orientation: int = 1
    note: str | None = None


def strip_prefix(block: bytes) -> bytes:
    """Remove the prefix (``Exif`` and two zeros) that JPEG puts before the TIFF structure."""
    return re.sub(rb"^(Exif\x00\x00)+", b"", block)


def upright_exif(raw: bytes | None) -> Exif:
    """Set the orientation of an EXIF block to 1; every other tag stays byte for byte.

    Args:
        raw: The block as stored, with or without the ``Exif`` prefix; None if there is none.

    Returns:
        The changed block. A damaged one is rebuilt from its readable tags or dropped, with a note.
    """
    block = strip_prefix(raw or b"")
    if not block:
        return Exif()
    try:
        return _patched(block)
    except (struct.error, ValueError):
        return _rebuilt(block)


def _patched(block: bytes) -> Exif:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise ValueError("no TIFF header")
    patched = bytearray(block)
    orientation = 1
    (first,) = struct.unpack_from(order + "L", block, 4)
    for place, tag, kind, pointer in _entries(block, order, first):
        if tag == ORIENTATION and kind == 3:
            (orientation,) = struct.unpack_from(order + "H", block, place + 8)
            struct.pack_into(order + "H", patched, place + 8, 1)
        elif tag in (EXIF_IFD, GPS_IFD):
            list(_entries(block, order, pointer))
    count = struct.unpack_from(order + "H", block, first)[0]
    # the second directory is a thumbnail of the gray, unrotated picture: unlink it
    struct.pack_into(order + "L", patched, first + 2 + 12 * count, 0)
    return Exif(bytes(patched), orientation if 1 <= orientation <= 8 else 1)


def _entries(block: bytes, order: str, offset: int) -> list[tuple[int, int, int, int]]:
    """Return (place, tag, type, value or pointer) of a directory; ValueError if it leaves the block."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    found = []
    for place in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, pointer = struct.unpack_from(order + "HHLL", block, place)
        size = _TYPE_SIZES.get(kind, 1) * number
        if size > 4 and pointer + size > len(block):
            raise ValueError(f"tag {tag} points outside")
        found.append((place, tag, kind, pointer))
    return found


def _rebuilt(block: bytes) -> Exif:
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(b"Exif\0\0" + block)
            orientation = exif.get(ORIENTATION, 1)
            if ORIENTATION in exif:
                exif[ORIENTATION] = 1
            rebuilt = strip_prefix(exif.tobytes())
        if len(exif) == 0:
            raise ValueError("nothing readable")
    except Exception:  # Pillow raises many types on damaged EXIF, which must not stop the picture
        return Exif(None, 1, "EXIF was damaged and dropped")
    orientation = orientation if orientation in range(1, 9) else 1
    return Exif(rebuilt, orientation, "EXIF was damaged; its readable tags were kept")


def tiff_exif(tags: Image.Exif) -> Exif:
    """Return the descriptive tags of a TIFF as an EXIF block; ``tags`` lose all others.

    The returned orientation is 1, since decoders of TIFF apply it themselves.
    """
    try:
        for tag in LAYOUT_TAGS | {ORIENTATION}:
            if tag in tags:
                del tags[tag]
        if len(tags) == 0:
            return Exif()
        tags.bigtiff = False  # or it would be written with 64-bit offsets, which EXIF does not allow
        return Exif(strip_prefix(tags.tobytes()))
    except Exception:  # as above
        return Exif(None, 1, "EXIF was damaged and dropped")


def tiff_metadata(file: IO[bytes]) -> tuple[Metadata, Exif]:
    """Read the metadata of a TIFF that Pillow cannot open."""
    tags, data = Image.Exif(), Metadata(format="TIFF")
    file.seek(0)
    try:
        tags.load_from_fp(file)
        xmp, across, down, unit = (tags.get(tag) for tag in (700, 282, 283, 296))
        if across and down and unit in (2, 3):
            scale = 1 if unit == 2 else 2.54  # inches, centimeters
            data = replace(data, dpi=(float(across) * scale, float(down) * scale))
        xmp = upright_xmp(xmp if isinstance(xmp, bytes) else None)[0]
        data = replace(data, xmp=xmp, uncompressed=tags.get(259) == 1)
    except Exception:  # as above
        return data, Exif(None, 1, "EXIF was damaged and dropped")
    exif = tiff_exif(tags)
    return replace(data, exif=exif.block), exif


def upright_xmp(xmp: bytes | None) -> tuple[bytes | None, int]:
    """Set ``tiff:Orientation`` of an XMP packet to 1; return the packet and the stored value (default 1)."""
    if not xmp:
        return None, 1
    match = _XMP_ORIENTATION.search(xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp), int(match[2]) if match else 1
