"""Read and write the tags of EXIF blocks and TIFF directories without changing their bytes.

Pillow decodes and encodes tags, which replaces non-ASCII text by question marks and changes types. tifffile
does not write the EXIF and GPS directories.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, NamedTuple

import numpy as np

DESCRIPTION, ORIENTATION = 270, 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
XMP, IPTC, PHOTOSHOP, PROFILE, LAYERS = 700, 33723, 34377, 34675, 37724

LAYOUT_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301}
    | {*range(317, 326), 330, 332, 333, 334, *range(336, 343), 347, *range(512, 533)}
    | {XMP, IPTC, PHOTOSHOP, PROFILE, LAYERS}
)
"""TIFF tags that describe the file layout or have their own field in `Metadata`; they are not copied."""

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | dict.fromkeys((16, 17, 18), 8)
"""Bytes per value of each TIFF type; types 16 to 18 exist only in BigTIFF."""
_WORDS = {5: 4, 10: 4}  # bytes per word of rationals, which have two words; other types have one word
_NARROWER = {16: 4, 17: 9, 18: 13}  # TIFF types that replace the 64-bit types of BigTIFF
_BYTE_STREAMS = frozenset({XMP, IPTC})  # never byte-swapped, even if declared with another type
_NESTED = {EXIF_IFD, GPS_IFD, INTEROP_IFD}
_USER_COMMENT, _UNICODE = 37510, b"UNICODE\0"
LARGEST_VALUE = 2**24
"""Maximum size of a tag value and of an EXIF block in bytes."""
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Tag:
    """A TIFF tag.

    Attributes:
        kind: TIFF type, 1 to 13.
        value: Values in little-endian byte order; empty for a nested directory.
        nested: Tags of the nested directory, or None.
    """

    kind: int
    value: bytes = b""
    nested: dict[int, Tag] | None = None

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.value) // SIZES[self.kind]


Tags = dict[int, Tag]


class Layout(NamedTuple):
    """Byte order of a TIFF structure, ``"<"`` or ``">"``, and whether it is a BigTIFF."""

    order: str
    big: bool


def read_header(file: IO[bytes]) -> tuple[Layout, int] | None:
    """Read the layout and the offset of the first directory; None if the file is not a TIFF structure."""
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return None
    big = head[2:4] in (b"+\0", b"\0+")
    return Layout(order, big), struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)[0]


class Directory(NamedTuple):
    """Entries of a directory (tag, type, number of values, value or offset) and the next offset, or 0."""

    entries: list[tuple[int, int, int, bytes]]
    next: int
    complete: bool


def read_directory(file: IO[bytes], layout: Layout, offset: int) -> Directory:
    """Read the entries of the directory at an offset, without their values."""
    size, word_size, form = (20, 8, "HHQ") if layout.big else (12, 4, "HHL")
    word = layout.order + ("Q" if layout.big else "L")
    try:
        file.seek(offset)
        head = file.read(8 if layout.big else 2)
        (number,) = struct.unpack(layout.order + ("Q" if layout.big else "H"), head)
        data = file.read(min(number, 65535) * size)
    except (struct.error, OSError, OverflowError, ValueError):
        return Directory([], 0, complete=False)
    complete = len(data) == number * size
    entries = [
        (*struct.unpack_from(layout.order + form, data, start), data[start + size - word_size : start + size])
        for start in range(0, len(data) - size + 1, size)
    ]
    end = file.read(word_size)
    return Directory(
        entries, struct.unpack(word, end)[0] if complete and len(end) == word_size else 0, complete
    )


def read_tags(file: IO[bytes], offset: int | None = None) -> tuple[Tags, bool]:
    """Read a directory of a TIFF, BigTIFF or EXIF block, including nested EXIF and GPS directories.

    Args:
        file: Stream that starts with the TIFF header.
        offset: Offset of the directory; None for the first directory.

    Returns:
        The readable tags, and whether all tags were readable.
    """
    header = read_header(file)
    if header is None:
        return {}, False
    return _read_tags(file, header[0], header[1] if offset is None else offset)


def _read_tags(file: IO[bytes], layout: Layout, offset: int, depth: int = 1) -> tuple[Tags, bool]:
    tags: Tags = {}
    entries, _, complete = read_directory(file, layout, offset)
    for tag, kind, count, inline in entries:
        if tag in _NESTED and len(nested := read_integers(file, layout, kind, count, inline)) == 1:
            if depth < _MAX_DEPTH:
                nested_tags, is_complete = _read_tags(file, layout, nested[0], depth + 1)
                tags[tag], complete = Tag(_LONG, nested=nested_tags), complete and is_complete
            continue
        value = read_value(file, layout, kind, count, inline)
        found = None if value is None else _little_endian(tag, kind, value, layout.order)
        if found is None:
            complete = False
        else:
            tags[tag] = found
    return tags, complete


def read_integers(file: IO[bytes], layout: Layout, kind: int, count: int, inline: bytes) -> tuple[int, ...]:
    """Read the values of an entry of an integer type; empty for other types and unreadable values."""
    form = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}.get(kind)
    value = None if form is None else read_value(file, layout, kind, count, inline)
    return () if value is None else struct.unpack(f"{layout.order}{count}{form}", value)


def read_value(file: IO[bytes], layout: Layout, kind: int, count: int, inline: bytes) -> bytes | None:
    """Read the bytes of an entry's values; None if they are too large or outside the file."""
    size = SIZES.get(kind, 0) * count
    if kind not in SIZES or size > LARGEST_VALUE:
        return None
    if size <= len(inline):
        return inline[:size]
    try:
        file.seek(*struct.unpack(layout.order + ("Q" if layout.big else "L"), inline))
        value = file.read(size)
    except (OSError, OverflowError, ValueError):
        return None
    return value if len(value) == size else None


def _little_endian(tag: int, kind: int, value: bytes, order: str) -> Tag | None:
    word = _WORDS.get(kind, SIZES[kind])
    if tag in _BYTE_STREAMS:
        return Tag(kind if kind in (_BYTE, _LONG) else _UNDEFINED, value)
    if order == ">" and word > 1:
        value = np.frombuffer(value, f">u{word}").astype(f"<u{word}").tobytes()
    if order == ">" and tag == _USER_COMMENT and value.startswith(_UNICODE) and len(value) % 2 == 0:
        value = _UNICODE + np.frombuffer(value[8:], ">u2").astype("<u2").tobytes()
    if kind in _NARROWER:
        wide = np.frombuffer(value, "<i8" if kind == 17 else "<u8")
        narrow = wide.astype("<i4" if kind == 17 else "<u4")
        if not np.array_equal(wide, narrow):
            return None
        return Tag(_NARROWER[kind], narrow.tobytes())
    return Tag(kind, value)


def write_tags(tags: Tags, offset: int) -> bytes:
    """Encode a little-endian directory followed by its values and nested directories.

    Args:
        tags: The tags.
        offset: Offset of the directory in the file, an even number.
    """
    entries, rest = [], bytearray()
    start = offset + 2 + 12 * len(tags) + 4
    for number, tag in sorted(tags.items()):
        if tag.nested is not None:
            pointer = struct.pack("<L", start + len(rest))
            rest += write_tags(tag.nested, start + len(rest))
            entries.append(struct.pack("<HHL", number, _LONG, 1) + pointer)
            continue
        inline = tag.value.ljust(4, b"\0")
        if len(tag.value) > 4:
            inline = struct.pack("<L", start + len(rest))
            rest += tag.value + b"\0" * (len(tag.value) % 2)
        entries.append(struct.pack("<HHL", number, tag.kind, tag.count) + inline)
    return struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + bytes(rest)


def exif_block(tags: Tags) -> bytes | None:
    """Encode tags as an EXIF block without the JPEG prefix; None if there are no tags."""
    return b"II*\0\x08\0\0\0" + write_tags(tags, 8) if tags else None


def shorts(*values: int) -> Tag:
    """Return a tag of 16-bit integers."""
    return Tag(_SHORT, struct.pack(f"<{len(values)}H", *values))


def longs(*values: int) -> Tag:
    """Return a tag of 32-bit integers."""
    return Tag(_LONG, struct.pack(f"<{len(values)}L", *values))


def rational(value: float) -> Tag:
    """Return a tag of type RATIONAL."""
    exact = Fraction(value).limit_denominator(10_000)
    return Tag(_RATIONAL, struct.pack("<LL", min(exact.numerator, 2**32 - 1), exact.denominator))


def raw_bytes(value: bytes, *, undefined: bool = True) -> Tag:
    """Return a tag of type UNDEFINED or BYTE."""
    return Tag(_UNDEFINED if undefined else _BYTE, value)


def text(value: bytes) -> Tag:
    """Return a tag of type ASCII with these bytes."""
    return Tag(_ASCII, value + b"\0")
