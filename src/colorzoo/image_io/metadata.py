"""Metadata of image files, and the transfer of EXIF, XMP and IPTC from one file to another.

Reading removes everything that describes the source file itself: its layout, orientation, thumbnails and the
containers of further images. Writing updates the size. Both happen here for all formats.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from colorzoo.image_io.tags import (
    DESCRIPTION,
    EXIF_IFD,
    GPS_IFD,
    INTEROP_IFD,
    IPTC,
    LARGEST_VALUE,
    LAYOUT_TAGS,
    ORIENTATION,
    SIZES,
    Tags,
    exif_block,
    raw_bytes,
    read_tags,
    text,
)

_SIZE_TAGS = {256: 0, 257: 1, 40962: 0, 40963: 1}  # of an image: 0 its width, 1 its height
_WHOLE_NUMBERS = {3: "H", 4: "L"}
_COLOR_SPACE, _SRGB = 40961, 1
# of the EXIF directory: order and bits of compressed components, the rules of the file, gamma
_CODING_TAGS = frozenset({37121, 37122, INTEROP_IFD, 42240})
_THUMBNAIL, _THUMBNAIL_SIZE = 513, 514
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:\s*=\s*["\']|>)([1-8])')
_XMP_OF_FILE = (
    r"tiff:(?:ImageWidth|ImageLength|Orientation|BitsPerSample|Compression|PhotometricInterpretation|"
    r"SamplesPerPixel|PlanarConfiguration|YCbCr\w+|[XY]Resolution|ResolutionUnit|NativeDigest)",
    r"exif:(?:PixelXDimension|PixelYDimension|ColorSpace|ComponentsConfiguration|CompressedBitsPerPixel|"
    r"Gamma|NativeDigest)",
    r"xmp:(?:Thumbnails|PageInfo)",
    r"photoshop:(?:ColorMode|ICCProfile)",
    r"dc:format",
    r"xmpNote:HasExtendedXMP",
    r"(?:GCamera|Camera|GContainer|Container|GDepth|GImage|GAudio|hdrgm|HDRGainMap|apdi):\w+",
)
_XMP_OF_PLACES = (r"mwg-rs:Regions", r"MP:RegionInfo")  # faces, in fractions of the sides


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image file; every field may be absent.

    Examples:
        >>> read_image("photo.png").metadata.format
        'PNG'

    Attributes:
        exif: EXIF block (TIFF structure, no ``Exif`` prefix) without layout and thumbnail, orientation 1.
        icc: Profile of the converted pixels: an sRGB profile, or None if the file had none.
        xmp: XMP packet without layout, orientation and thumbnails.
        dpi: Horizontal and vertical resolution in dots per inch, of the upright image.
        text: Keywords and values of PNG text chunks.
        comment: JPEG or GIF comment.
        iptc: IPTC captions of a JPEG or TIFF.
        format: Pillow's name of the source format, such as ``"PNG"``; None for arrays.
        lossless: The source is a lossless WebP.
        uncompressed: The source is an uncompressed TIFF.
        source: File that the image was read from; None for arrays and PIL images.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    iptc: bytes | None = None
    format: str | None = None
    lossless: bool = False
    uncompressed: bool = False
    source: Path | None = None

    def with_size(self, width: int, height: int) -> Metadata:
        """Return the metadata of a result, whose size EXIF states where it states one."""
        return replace(self, exif=resized_exif(self.exif, width, height))


@dataclass(frozen=True)
class Exif:
    """EXIF block for an upright image.

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


def clean_exif(raw: bytes | None) -> Exif:
    """Remove the tags of an EXIF block that describe its file; every other tag stays byte for byte.

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
        return _cleaned(block)
    except (struct.error, ValueError):
        return _rebuilt(block)


def _cleaned(block: bytes) -> Exif:
    # in place, because maker notes hold offsets from the beginning of the block
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise ValueError("no TIFF header")
    cleaned = bytearray(block)
    orientation = 1
    (first,) = struct.unpack_from(order + "L", block, 4)
    for place, tag, kind, _, pointer in _entries(block, order, first):
        if tag == ORIENTATION and kind == 3:
            (orientation,) = struct.unpack_from(order + "H", block, place + 8)
            struct.pack_into(order + "H", cleaned, place + 8, 1)
        elif tag == EXIF_IFD:
            for below, inner, kind_below, *_ in _entries(block, order, pointer):
                if inner == _COLOR_SPACE and kind_below == 3:
                    struct.pack_into(order + "H", cleaned, below + 8, _SRGB)
            _drop(cleaned, order, pointer, _CODING_TAGS)
        elif tag == GPS_IFD:
            _entries(block, order, pointer)
    _drop_thumbnail(cleaned, order, first)
    _drop(cleaned, order, first, LAYOUT_TAGS)
    return Exif(bytes(cleaned), orientation if 1 <= orientation <= 8 else 1)


def _entries(block: bytes | bytearray, order: str, offset: int) -> list[tuple[int, int, int, int, int]]:
    """Return (place, tag, type, bytes, value or pointer) of a directory.

    Raises:
        ValueError: It leaves the block.
    """
    (count,) = struct.unpack_from(order + "H", block, offset)
    found = []
    for place in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, pointer = struct.unpack_from(order + "HHLL", block, place)
        size = SIZES.get(kind, 1) * number
        if size > 4 and pointer + size > len(block):
            raise ValueError(f"tag {tag} points outside")
        found.append((place, tag, kind, size, pointer))
    return found


def _drop(block: bytearray, order: str, offset: int, tags: frozenset[int]) -> None:
    """Remove tags and their values from a directory of a block whose length stays."""
    entries = _entries(block, order, offset)
    kept = [bytes(block[place : place + 12]) for place, tag, *_ in entries if tag not in tags]
    if len(kept) == len(entries):
        return
    for _, tag, _, size, pointer in entries:
        if tag in tags and size > 4:
            block[pointer : pointer + size] = bytes(size)
    table = struct.pack(order + "H", len(kept)) + b"".join(kept)
    end = offset + 2 + 12 * len(entries)
    block[offset:end] = table.ljust(end - offset, b"\0")


def _drop_thumbnail(block: bytearray, order: str, first: int) -> None:
    """Unlink the second directory, which holds a thumbnail of the gray, unrotated image, and clear both."""
    link = first + 2 + 12 * struct.unpack_from(order + "H", block, first)[0]
    if link + 4 > len(block):
        return
    (second,) = struct.unpack_from(order + "L", block, link)
    struct.pack_into(order + "L", block, link, 0)
    if not second:
        return
    try:
        entries = _entries(block, order, second)
    except (struct.error, ValueError):
        return
    values = {tag: pointer for _, tag, _, size, pointer in entries if size == 4}
    start, size = values.get(_THUMBNAIL, 0), values.get(_THUMBNAIL_SIZE, 0)
    if start > first and start + size <= len(block):
        block[start : start + size] = bytes(size)
    _drop(block, order, second, frozenset(tag for _, tag, *_ in entries))


def resized_exif(block: bytes | None, width: int, height: int) -> bytes | None:
    """Return an EXIF block that states another size of its image, where it states a size."""
    if block is None:
        return None
    order = "<" if block[:2] == b"II" else ">"
    resized = bytearray(block)
    try:
        entries = _entries(block, order, struct.unpack_from(order + "L", block, 4)[0])
        for _, tag, _, _, pointer in list(entries):
            if tag == EXIF_IFD:
                entries += _entries(block, order, pointer)
        for place, tag, kind, *_ in entries:
            if tag in _SIZE_TAGS and kind in _WHOLE_NUMBERS:
                struct.pack_into(
                    order + _WHOLE_NUMBERS[kind], resized, place + 8, (width, height)[_SIZE_TAGS[tag]]
                )
    except (struct.error, ValueError):  # damaged, or a size that its numbers cannot hold
        return block
    return bytes(resized)


def _rebuilt(block: bytes) -> Exif:
    tags, _ = read_tags(io.BytesIO(block))
    stored = tags.get(ORIENTATION)
    orientation = stored.value[0] if stored and stored.count == 1 else 1
    orientation = orientation if orientation in range(1, 9) else 1
    kept = descriptive(tags)
    if not kept:
        return Exif(None, orientation, "EXIF was damaged and dropped")
    return Exif(exif_block(kept), orientation, "EXIF was damaged; its readable tags were kept")


def descriptive(tags: Tags) -> Tags:
    """Return the tags that fit another, upright image."""
    kept = {tag: value for tag, value in tags.items() if tag not in LAYOUT_TAGS | {ORIENTATION}}
    if EXIF_IFD in kept:
        below = kept[EXIF_IFD].nested or {}
        below = {tag: value for tag, value in below.items() if tag not in _CODING_TAGS}
        kept[EXIF_IFD] = replace(kept[EXIF_IFD], nested=below)
    return kept


def for_tiff(data: Metadata) -> Tags:
    """Return the descriptive tags of a TIFF, with captions and comment of a JPEG where a TIFF has them."""
    tags = descriptive(read_tags(io.BytesIO(data.exif or b""))[0])
    if data.iptc:
        tags[IPTC] = raw_bytes(data.iptc)
    if data.comment:
        tags.setdefault(DESCRIPTION, text(data.comment))
    return tags


def has_description(data: Metadata) -> bool:
    """Return whether EXIF holds a description, which in a TIFF takes the place of a comment."""
    return DESCRIPTION in read_tags(io.BytesIO(data.exif or b""))[0]


def properties_pattern(*names: str) -> re.Pattern[str]:
    """Return a pattern of XMP properties of these names (regular expressions), as attributes or elements."""
    return re.compile(
        "|".join(
            rf"\s(?:{name})\s*=\s*(?:\"[^\"]*\"|'[^']*')|<({name})(?=[\s/>])(?:[^>]*/>|.*?</\{number}\s*>)"
            for number, name in enumerate(names, 1)
        ),
        re.DOTALL,
    )


_OF_FILE, _OF_PLACES = properties_pattern(*_XMP_OF_FILE), properties_pattern(*_XMP_OF_PLACES)


def clean_xmp(xmp: bytes | None, *, turned: bool = False) -> tuple[bytes | None, int]:
    """Remove the properties of an XMP packet that describe its file.

    Args:
        xmp: The packet.
        turned: Remove marked regions too, because the image is turned upright.

    Returns:
        The packet, and the stored orientation (default 1).
    """
    if not xmp:
        return None, 1
    match = _XMP_ORIENTATION.search(xmp)
    orientation = int(match[1]) if match else 1
    packet = xmp.decode("utf-8", "surrogateescape")
    packet = _OF_FILE.sub("", packet)
    if turned or orientation != 1:
        packet = _OF_PLACES.sub("", packet)
    return packet.encode("utf-8", "surrogateescape"), orientation
