"""Metadata of picture files, and the transfer of EXIF and XMP from one file to another."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from PIL import Image

from colorzoo.pictures.tags import (
    DESCRIPTION,
    EXIF_IFD,
    GPS_IFD,
    IPTC,
    LARGEST_VALUE,
    LAYERS,
    LAYOUT_TAGS,
    ORIENTATION,
    PHOTOSHOP,
    SIZES,
    Tag,
    Tags,
    exif_block,
    raw_bytes,
    read_tags,
    text,
)

_BITS, _SAMPLE_FORMAT, _FLOATS = 258, 339, 3
_SIZE_TAGS = {256: 0, 257: 1, 40962: 0, 40963: 1}  # of a picture: 0 its width, 1 its height
_WHOLE_NUMBERS = {3: "H", 4: "L"}
_DROPPED = {  # of a TIFF
    LAYERS: "the layers of Photoshop were dropped",
    330: "the pictures below its page (SubIFDs) were dropped",
    322: "its tiles are not kept: results are stored in one strip",
}
_SEGMENT, _CAPTIONS = b"Photoshop 3.0\0", b"8BIM\x04\x04\0\0"
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:\s*=\s*["\']|>))([1-8])')


@dataclass(frozen=True)
class Metadata:
    """Metadata of a picture file; every field may be absent.

    Examples:
        >>> read_picture("photo.png").metadata.format
        'PNG'

    Attributes:
        exif: EXIF block (TIFF structure, no ``Exif`` prefix), orientation reset to 1, thumbnail unlinked.
        icc: Profile of the converted pixels: an sRGB profile, or None if the file had none.
        xmp: XMP packet, orientation reset to 1.
        dpi: Horizontal and vertical resolution in dots per inch, of the upright picture.
        text: Keywords and values of PNG text chunks.
        comment: JPEG or GIF comment.
        photoshop: JPEG APP13 segment (IPTC captions), unchanged. Those of a TIFF are in ``exif``.
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
    if len(block) > LARGEST_VALUE:
        return Exif(None, 1, f"EXIF of {len(block) / 1e6:.0f} MB was dropped")
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


def resized_exif(block: bytes | None, width: int, height: int) -> bytes | None:
    """Return an EXIF block that tells another size of its picture, where it tells one.

    Args:
        block: The block without its prefix, or None.
        width: Pixels of the picture.
        height: Pixels of the picture.
    """
    if block is None:
        return None
    order = "<" if block[:2] == b"II" else ">"
    resized = bytearray(block)
    try:
        entries = _entries(block, order, struct.unpack_from(order + "L", block, 4)[0])
        for _, tag, _, pointer in list(entries):
            if tag == EXIF_IFD:
                entries += _entries(block, order, pointer)
        for place, tag, kind, _ in entries:
            if tag in _SIZE_TAGS and kind in _WHOLE_NUMBERS:
                struct.pack_into(
                    order + _WHOLE_NUMBERS[kind], resized, place + 8, (width, height)[_SIZE_TAGS[tag]]
                )
    except (struct.error, ValueError):  # damaged, or a size that its numbers cannot hold
        return block
    return bytes(resized)


def _entries(block: bytes, order: str, offset: int) -> list[tuple[int, int, int, int]]:
    """Return (place, tag, type, value or pointer) of a directory; ValueError if it leaves the block."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    found = []
    for place in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, pointer = struct.unpack_from(order + "HHLL", block, place)
        size = SIZES.get(kind, 1) * number
        if size > 4 and pointer + size > len(block):
            raise ValueError(f"tag {tag} points outside")
        found.append((place, tag, kind, pointer))
    return found


def _rebuilt(block: bytes) -> Exif:
    tags, _ = read_tags(io.BytesIO(block))
    stored = tags.get(ORIENTATION)
    orientation = stored.value[0] if stored and stored.count == 1 else 1
    kept = descriptive(tags)
    if not kept:
        return Exif(None, 1, "EXIF was damaged and dropped")
    orientation = orientation if orientation in range(1, 9) else 1
    return Exif(exif_block(kept), orientation, "EXIF was damaged; its readable tags were kept")


def descriptive(tags: Tags) -> Tags:
    """Return the tags that fit another, upright picture."""
    return {tag: value for tag, value in tags.items() if tag not in LAYOUT_TAGS | {ORIENTATION, LAYERS}}


def tiff_exif(file: IO[bytes]) -> Exif:
    """Return the descriptive tags of the first page of a TIFF as an EXIF block, byte for byte.

    The returned orientation is 1, since decoders of TIFF apply it themselves.
    """
    tags, complete = read_tags(file)
    notes = [] if complete else ["some tags were damaged or too large and dropped"]
    notes += [note for tag, note in _DROPPED.items() if tag in tags]
    bits, kind = _first_value(tags.get(_BITS)), _first_value(tags.get(_SAMPLE_FORMAT))
    if kind == _FLOATS or bits > 16:
        stored = "floats" if kind == _FLOATS else "integers"
        notes.append(f"its {stored} of {bits} bits become integers of at most 16 bits")
    return Exif(exif_block(descriptive(tags)), 1, "; ".join(notes) or None)


def _first_value(tag: Tag | None) -> int:
    return 0 if tag is None else int.from_bytes(tag.value[: SIZES[tag.kind]], "little")


def tiff_metadata(file: IO[bytes]) -> tuple[Metadata, Exif]:
    """Read the metadata of a TIFF that Pillow cannot open."""
    tags, data = Image.Exif(), Metadata(format="TIFF")
    file.seek(0)
    try:
        tags.load_from_fp(file)
        found: dict[int, Any] = {tag: tags.get(tag) for tag in (259, 282, 283, 296, 700)}
    except Exception:  # Pillow raises many types on damaged tags, which must not stop the picture
        found = {}
    across, down, unit, xmp = (found.get(tag) for tag in (282, 283, 296, 700))
    if across and down and unit in (2, 3):
        scale = 1 if unit == 2 else 2.54  # inches, centimeters
        data = replace(data, dpi=(float(across) * scale, float(down) * scale))
    xmp = upright_xmp(xmp if isinstance(xmp, bytes) else None)[0]
    exif = tiff_exif(file)
    return replace(data, xmp=xmp, uncompressed=found.get(259) == 1, exif=exif.block), exif


def for_jpeg(data: Metadata) -> Metadata:
    """Return metadata with the captions of a TIFF (IPTC) where a JPEG has them, in its segment APP13."""
    if not data.exif:
        return data
    tags, _ = read_tags(io.BytesIO(data.exif))
    if not {IPTC, PHOTOSHOP} & tags.keys():
        return data
    segment = data.photoshop
    if segment is None and PHOTOSHOP in tags:
        segment = _SEGMENT + tags.pop(PHOTOSHOP).value
    elif segment is None:
        captions = tags[IPTC].value
        captions += b"\0" * (len(captions) % 2)
        segment = _SEGMENT + _CAPTIONS + struct.pack(">L", len(captions)) + captions
    kept = {tag: value for tag, value in tags.items() if tag not in (IPTC, PHOTOSHOP)}
    return replace(data, exif=exif_block(kept), photoshop=segment)


def for_tiff(data: Metadata) -> Tags:
    """Return the descriptive tags of a TIFF, with captions and comment of a JPEG where a TIFF has them."""
    tags = descriptive(read_tags(io.BytesIO(data.exif or b""))[0])
    if data.photoshop and data.photoshop.startswith(_SEGMENT):
        resources = data.photoshop[len(_SEGMENT) :]
        tags.setdefault(PHOTOSHOP, raw_bytes(resources, undefined=False))
        if captions := _captions(resources):
            tags.setdefault(IPTC, raw_bytes(captions))
    if data.comment:
        tags.setdefault(DESCRIPTION, text(data.comment))
    return tags


def has_description(data: Metadata) -> bool:
    """Return whether EXIF holds a description, which in a TIFF takes the place of a comment."""
    return DESCRIPTION in read_tags(io.BytesIO(data.exif or b""))[0]


def _captions(resources: bytes) -> bytes:
    """Return the IPTC captions among the resources of Photoshop; empty if there are none."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 12 <= len(resources):
        start = place + 6 + (resources[place + 6] + 2) // 2 * 2  # behind a name of even length
        size = int.from_bytes(resources[start : start + 4], "big")
        if resources[place : place + 6] == _CAPTIONS[:6]:
            return resources[start + 4 : start + 4 + size]
        place = start + 4 + size + size % 2
    return b""


def upright_xmp(xmp: bytes | None) -> tuple[bytes | None, int]:
    """Set ``tiff:Orientation`` of an XMP packet to 1; return the packet and the stored value (default 1)."""
    if not xmp:
        return None, 1
    match = _XMP_ORIENTATION.search(xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp), int(match[2]) if match else 1
