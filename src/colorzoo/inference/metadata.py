"""What a picture file carries besides its pixels, and how EXIF travels from one file to another."""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ORIENTATION = 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965

#: TIFF tags that describe how one file lays out its pixels; they would lie in any other file.
LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290}
    | {
        291,
        292,
        293,
        297,
        301,
        317,
        318,
        319,
        320,
        321,
        322,
        323,
        324,
        325,
        330,
        332,
        333,
        334,
        336,
        337,
        338,
    }
    | {339, 340, 341, 342, 347, *range(512, 533), 700, 34675}
)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:\s*=\s*["\']|>))([1-8])')


@dataclass(frozen=True)
class Metadata:
    """What a file holds besides pixels; every field may be absent.

    Attributes:
        exif: EXIF block (TIFF structure, no ``Exif`` prefix), orientation reset to 1, thumbnail unlinked.
        icc: Color profile of the float pixels: an sRGB profile, or None where the file had none.
        xmp: XMP packet, orientation reset to 1.
        dpi: Horizontal and vertical resolution in dots per inch, after the orientation is applied.
        text: Keyword and value of PNG text chunks.
        comment: JPEG or GIF comment.
        photoshop: JPEG APP13 segment (IPTC captions), as it was.
        format: Pillow's name of the source format, such as ``"PNG"``; None for arrays.
        lossless: The source is a WebP without loss.
        uncompressed: The source is a TIFF without compression.
        source: The file the picture was read from; None for arrays and PIL images.
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
    """An EXIF block made fit for an upright picture.

    Attributes:
        block: TIFF structure with orientation 1, or None.
        orientation: What the tag said, 1 to 8 (1 where absent or out of range).
        note: What was wrong with the block, or None.
    """

    block: bytes | None = None
    orientation: int = 1
    note: str | None = None


def strip_prefix(block: bytes) -> bytes:
    """Remove the marks (``Exif`` and two zeros) that JPEG puts before the TIFF structure."""
    return re.sub(rb"^(Exif\x00\x00)+", b"", block)


def upright_exif(raw: bytes | None) -> Exif:
    """Reset the orientation of an EXIF block in place, so that every other tag stays byte for byte.

    Args:
        raw: The block as stored, with or without the ``Exif`` prefix; None where there is none.

    Returns:
        The reset block. A damaged one is rebuilt from what can be read, else dropped, with a note.
    """
    block = strip_prefix(raw or b"")
    if not block:
        return Exif()
    try:
        return _patched(block)
    except (struct.error, ValueError):
        return _salvaged(block)


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
    """(place, tag, type, value or pointer) of one directory; ValueError where it leaves the block."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    found = []
    for place in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, pointer = struct.unpack_from(order + "HHLL", block, place)
        size = _SIZES.get(kind, 1) * number
        if size > 4 and pointer + size > len(block):
            raise ValueError(f"tag {tag} points outside")
        found.append((place, tag, kind, pointer))
    return found


def _salvaged(block: bytes) -> Exif:
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
    except Exception:  # Pillow raises almost anything on damaged EXIF, and none of it may stop the picture
        return Exif(None, 1, "EXIF was damaged and dropped")
    orientation = orientation if orientation in range(1, 9) else 1
    return Exif(rebuilt, orientation, "EXIF was damaged; what could be read was kept")


def tiff_exif(image: Image.Image) -> Exif:
    """Collect the descriptive tags of an opened, not yet loaded TIFF as an EXIF block; takes the others away.

    The orientation returned is 1, since decoders turn a TIFF upright themselves.
    """
    exif = image.getexif()
    try:
        for tag in LAYOUT_TAGS | {ORIENTATION}:
            if tag in exif:
                del exif[tag]
        if len(exif) == 0:
            return Exif()
        exif.bigtiff = False  # or it would be written with places that no other format knows
        return Exif(strip_prefix(exif.tobytes()))
    except Exception:  # as above: damaged tags must not stop the picture
        return Exif(None, 1, "EXIF was damaged and dropped")


def upright_xmp(xmp: bytes | None) -> tuple[bytes | None, int]:
    """Reset ``tiff:Orientation`` in an XMP packet; returns the packet and what it said (1 where absent)."""
    if not xmp:
        return None, 1
    match = _XMP_ORIENTATION.search(xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp), int(match[2]) if match else 1
