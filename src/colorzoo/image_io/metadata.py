"""Metadata of image files: EXIF, XMP and IPTC are copied from the source to the result.

When a file is read, everything that describes the file itself is removed: layout, orientation, thumbnails and
containers of additional images. When a file is written, the size is updated. This module does both for all
formats.
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

_SIZE_TAGS = {256: 0, 257: 1, 40962: 0, 40963: 1}  # 0 for tags of the width, 1 for tags of the height
_INTEGER_FORMATS = {3: "H", 4: "L"}
_COLOR_SPACE, _SRGB = 40961, 1
# EXIF tags: order and bits of compressed components, interoperability, gamma
_CODING_TAGS = frozenset({37121, 37122, INTEROP_IFD, 42240})
_THUMBNAIL, _THUMBNAIL_SIZE = 513, 514
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:\s*=\s*["\']|>)([1-8])')
_XMP_FILE_PROPERTIES = (
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
_XMP_REGIONS = (r"mwg-rs:Regions", r"MP:RegionInfo")  # positions of faces relative to the sides


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image file; every field is optional.

    Examples:
        >>> read_image("photo.png").metadata.format
        'PNG'

    Attributes:
        exif: EXIF block (TIFF structure without the ``Exif`` prefix) without layout tags and thumbnail, with
            orientation 1.
        icc: sRGB profile of the converted pixels; None if the file had no profile.
        xmp: XMP packet without layout, orientation and thumbnails.
        dpi: Horizontal and vertical resolution of the upright image in dots per inch.
        text: Keywords and values of PNG text chunks.
        comment: JPEG or GIF comment.
        iptc: IPTC record of a JPEG or TIFF.
        format: Pillow's name of the source format, such as ``"PNG"``; None for arrays.
        lossless: Whether the source is a lossless WebP.
        uncompressed: Whether the source is an uncompressed TIFF.
        source: Path of the source file; None for arrays and PIL images.
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
        """Return metadata whose EXIF size tags, if present, have the values ``width`` and ``height``."""
        return replace(self, exif=resized_exif(self.exif, width, height))


@dataclass(frozen=True)
class Exif:
    """EXIF block for an upright image.

    Attributes:
        block: TIFF structure with orientation 1, or None.
        orientation: Stored orientation, 1 to 8; 1 if it is absent or out of range.
        note: Description of damaged data, or None.
    """

    block: bytes | None = None
    orientation: int = 1
    note: str | None = None


def clean_exif(raw: bytes | None) -> Exif:
    """Remove the EXIF tags that describe the file; all other tags keep their bytes.

    Args:
        raw: The stored block, with or without the ``Exif`` prefix of JPEG; None if the file has no EXIF.

    Returns:
        The cleaned block. A damaged block is rebuilt from its readable tags or dropped, with a note.
    """
    block = re.sub(rb"^(Exif\x00\x00)+", b"", raw or b"")
    if not block:
        return Exif()
    if len(block) > LARGEST_VALUE:
        return Exif(
            None, 1, f"EXIF dropped: {len(block) / 1e6:.0f} MB, the limit is {LARGEST_VALUE >> 20} MB"
        )
    try:
        return _cleaned(block)
    except (struct.error, ValueError):
        return _rebuilt(block)


def _cleaned(block: bytes) -> Exif:
    # edited in place, because maker notes contain offsets from the beginning of the block
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise ValueError("no TIFF header")
    cleaned = bytearray(block)
    orientation = 1
    (first,) = struct.unpack_from(order + "L", block, 4)
    for offset, tag, kind, _, pointer in _entries(block, order, first):
        if tag == ORIENTATION and kind == 3:
            (orientation,) = struct.unpack_from(order + "H", block, offset + 8)
            struct.pack_into(order + "H", cleaned, offset + 8, 1)
        elif tag == EXIF_IFD:
            for inner_offset, inner_tag, inner_kind, *_ in _entries(block, order, pointer):
                if inner_tag == _COLOR_SPACE and inner_kind == 3:
                    struct.pack_into(order + "H", cleaned, inner_offset + 8, _SRGB)
            _drop(cleaned, order, pointer, _CODING_TAGS)
        elif tag == GPS_IFD:
            _entries(block, order, pointer)  # raises for a damaged directory
    _drop_thumbnail(cleaned, order, first)
    _drop(cleaned, order, first, LAYOUT_TAGS)
    return Exif(bytes(cleaned), orientation if 1 <= orientation <= 8 else 1)


def _entries(block: bytes | bytearray, order: str, offset: int) -> list[tuple[int, int, int, int, int]]:
    """Return (offset, tag, type, bytes, value or pointer) of each entry of a directory.

    Raises:
        ValueError: A value is outside the block.
    """
    (count,) = struct.unpack_from(order + "H", block, offset)
    entries = []
    for start in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, pointer = struct.unpack_from(order + "HHLL", block, start)
        size = SIZES.get(kind, 1) * number
        if size > 4 and pointer + size > len(block):
            raise ValueError(f"tag {tag} points outside")
        entries.append((start, tag, kind, size, pointer))
    return entries


def _drop(block: bytearray, order: str, offset: int, tags: frozenset[int]) -> None:
    """Remove tags and their values from a directory without changing the length of the block."""
    entries = _entries(block, order, offset)
    remaining = [bytes(block[start : start + 12]) for start, tag, *_ in entries if tag not in tags]
    if len(remaining) == len(entries):
        return
    for _, tag, _, size, pointer in entries:
        if tag in tags and size > 4:
            block[pointer : pointer + size] = bytes(size)
    table = struct.pack(order + "H", len(remaining)) + b"".join(remaining)
    end = offset + 2 + 12 * len(entries)
    block[offset:end] = table.ljust(end - offset, b"\0")


def _drop_thumbnail(block: bytearray, order: str, first: int) -> None:
    """Unlink and clear the second directory and its thumbnail, which shows the gray, unrotated image."""
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
    """Return an EXIF block whose size tags, if present, have the values ``width`` and ``height``."""
    if block is None:
        return None
    order = "<" if block[:2] == b"II" else ">"
    resized = bytearray(block)
    try:
        entries = _entries(block, order, struct.unpack_from(order + "L", block, 4)[0])
        for _, tag, _, _, pointer in list(entries):
            if tag == EXIF_IFD:
                entries += _entries(block, order, pointer)
        for offset, tag, kind, *_ in entries:
            if tag in _SIZE_TAGS and kind in _INTEGER_FORMATS:
                size = (width, height)[_SIZE_TAGS[tag]]
                struct.pack_into(order + _INTEGER_FORMATS[kind], resized, offset + 8, size)
    except (struct.error, ValueError):  # damaged, or the size exceeds the range of the tag's type
        return block
    return bytes(resized)


def _rebuilt(block: bytes) -> Exif:
    tags, _ = read_tags(io.BytesIO(block))
    stored = tags.get(ORIENTATION)
    orientation = stored.value[0] if stored and stored.count == 1 else 1
    orientation = orientation if orientation in range(1, 9) else 1
    readable = descriptive_tags(tags)
    if not readable:
        return Exif(None, orientation, "EXIF was damaged and dropped")
    return Exif(exif_block(readable), orientation, "EXIF was damaged; its readable tags were kept")


def descriptive_tags(tags: Tags) -> Tags:
    """Return the tags that do not depend on the file's layout and orientation."""
    remaining = {tag: value for tag, value in tags.items() if tag not in LAYOUT_TAGS | {ORIENTATION}}
    if EXIF_IFD in remaining:
        nested = remaining[EXIF_IFD].nested or {}
        nested = {tag: value for tag, value in nested.items() if tag not in _CODING_TAGS}
        remaining[EXIF_IFD] = replace(remaining[EXIF_IFD], nested=nested)
    return remaining


def tiff_tags(data: Metadata) -> Tags:
    """Return the descriptive tags to write into a TIFF, including the IPTC record and comment of a JPEG."""
    tags = descriptive_tags(read_tags(io.BytesIO(data.exif or b""))[0])
    if data.iptc:
        tags[IPTC] = raw_bytes(data.iptc)
    if data.comment:
        tags.setdefault(DESCRIPTION, text(data.comment))
    return tags


def has_description(data: Metadata) -> bool:
    """Return whether EXIF contains the tag ImageDescription, in which a TIFF stores a comment."""
    return DESCRIPTION in read_tags(io.BytesIO(data.exif or b""))[0]


def properties_pattern(*names: str) -> re.Pattern[str]:
    """Return a pattern for XMP properties, as attributes or elements; names are regular expressions."""
    return re.compile(
        "|".join(
            rf"\s(?:{name})\s*=\s*(?:\"[^\"]*\"|'[^']*')|<({name})(?=[\s/>])(?:[^>]*/>|.*?</\{number}\s*>)"
            for number, name in enumerate(names, 1)
        ),
        re.DOTALL,
    )


_FILE_PATTERN, _REGION_PATTERN = properties_pattern(*_XMP_FILE_PROPERTIES), properties_pattern(*_XMP_REGIONS)


def clean_xmp(xmp: bytes | None, *, turned: bool = False) -> tuple[bytes | None, int]:
    """Remove the XMP properties that describe the file.

    Args:
        xmp: The packet.
        turned: Also remove regions, whose positions are wrong after the image is turned upright.

    Returns:
        The cleaned packet, and the stored orientation (default 1).
    """
    if not xmp:
        return None, 1
    match = _XMP_ORIENTATION.search(xmp)
    orientation = int(match[1]) if match else 1
    packet = xmp.decode("utf-8", "surrogateescape")
    packet = _FILE_PATTERN.sub("", packet)
    if turned or orientation != 1:
        packet = _REGION_PATTERN.sub("", packet)
    return packet.encode("utf-8", "surrogateescape"), orientation
