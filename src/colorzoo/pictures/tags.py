"""Tags of TIFF structures, byte for byte: those of EXIF blocks and of TIFF files.

(Pillow decodes and encodes them, which costs text that is not ASCII and changes types.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import numpy as np

DESCRIPTION, ORIENTATION = 270, 274
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
IPTC, PHOTOSHOP, LAYERS = 33723, 34377, 37724

LAYOUT_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301}
    | {*range(317, 326), 330, 332, 333, 334, *range(336, 343), 347, *range(512, 533), 700, 34675}
)
"""TIFF tags that describe the layout of one file and would be wrong in any other."""

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | dict.fromkeys((16, 17, 18), 8)
"""Bytes of a value by its type; 16 to 18 are of BigTIFF alone."""
_WORDS = {5: 4, 10: 4}  # a fraction is two words; all others are one
_NARROWER = {16: 4, 17: 9, 18: 13}  # types of BigTIFF by those of TIFF
_AS_STORED = frozenset({IPTC, PHOTOSHOP, LAYERS, 700})  # streams of bytes, whatever type is declared
_NESTED = {EXIF_IFD, GPS_IFD, INTEROP_IFD}
_USER_COMMENT, _UNICODE = 37510, b"UNICODE\0"
LARGEST_VALUE = 2**24
"""Largest value of a tag, and largest EXIF block, in bytes."""
_MOST_NESTED = 3


@dataclass(frozen=True)
class Tag:
    """A tag.

    Attributes:
        kind: Its type in TIFF, 1 to 13.
        value: Its values, little-endian; empty for a nested directory.
        nested: The tags of a nested directory.
    """

    kind: int
    value: bytes = b""
    nested: dict[int, Tag] | None = None

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.value) // SIZES[self.kind]


Tags = dict[int, Tag]


def read_tags(file: IO[bytes]) -> tuple[Tags, bool]:
    """Read the first directory of a TIFF, BigTIFF or EXIF block, with the nested ones of EXIF and GPS.

    Args:
        file: Its stream, from the TIFF header on.

    Returns:
        The tags that can be read, and whether these are all.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return {}, False
    big = head[2:4] in (b"+\0", b"\0+")
    (first,) = struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)
    return _directory(file, order, first, big=big)


def _directory(file: IO[bytes], order: str, place: int, *, big: bool, depth: int = 1) -> tuple[Tags, bool]:
    tags: Tags = {}
    size, room, form = (20, 8, "HHQ") if big else (12, 4, "HHL")
    try:
        file.seek(place)
        (number,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
        entries = file.read(min(number, 65535) * size)
    except (struct.error, OSError, OverflowError, ValueError):
        return tags, False
    complete = len(entries) == number * size
    for start in range(0, len(entries) - size + 1, size):
        tag, kind, count = struct.unpack_from(order + form, entries, start)
        inline = entries[start + size - room : start + size]
        nested = _pointer(order, kind, count, inline) if tag in _NESTED else None
        if nested is not None:
            if depth < _MOST_NESTED:
                below, whole = _directory(file, order, nested, big=big, depth=depth + 1)
                tags[tag], complete = Tag(_LONG, nested=below), complete and whole
            continue
        value = _value(file, order, kind, count, inline)
        found = None if value is None else _little_endian(tag, kind, value, order)
        if found is None:
            complete = False
        else:
            tags[tag] = found
    return tags, complete


def _pointer(order: str, kind: int, count: int, inline: bytes) -> int | None:
    if count != 1 or kind not in (4, 13, 16, 18):
        return None
    (place,) = struct.unpack_from(order + ("L" if SIZES[kind] == 4 else "Q"), inline)
    return int(place)


def _value(file: IO[bytes], order: str, kind: int, count: int, inline: bytes) -> bytes | None:
    size = SIZES.get(kind, 0) * count
    if kind not in SIZES or size > LARGEST_VALUE:
        return None
    if size <= len(inline):
        return inline[:size]
    try:
        file.seek(*struct.unpack(order + ("Q" if len(inline) == 8 else "L"), inline))
        value = file.read(size)
    except (OSError, OverflowError, ValueError):
        return None
    return value if len(value) == size else None


def _little_endian(tag: int, kind: int, value: bytes, order: str) -> Tag | None:
    word = _WORDS.get(kind, SIZES[kind])
    if tag in _AS_STORED:
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


def write_tags(tags: Tags, place: int) -> bytes:
    """Encode a directory and what its tags point to, little-endian; no other directory follows.

    Args:
        tags: The tags.
        place: Its offset in the file, even.
    """
    entries, rest = [], bytearray()
    start = place + 2 + 12 * len(tags) + 4
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
    """Return tags as an EXIF block, without the prefix of JPEG; None if there are none."""
    return b"II*\0\x08\0\0\0" + write_tags(tags, 8) if tags else None


def shorts(*values: int) -> Tag:
    """Return a tag of 16-bit numbers."""
    return Tag(_SHORT, struct.pack(f"<{len(values)}H", *values))


def longs(*values: int) -> Tag:
    """Return a tag of 32-bit numbers."""
    return Tag(_LONG, struct.pack(f"<{len(values)}L", *values))


def fraction(value: float) -> Tag:
    """Return a tag of a fraction."""
    exact = Fraction(value).limit_denominator(10_000)
    return Tag(_RATIONAL, struct.pack("<LL", min(exact.numerator, 2**32 - 1), exact.denominator))


def raw_bytes(value: bytes, *, undefined: bool = True) -> Tag:
    """Return a tag of bytes, of type UNDEFINED or BYTE."""
    return Tag(_UNDEFINED if undefined else _BYTE, value)


def text(value: bytes) -> Tag:
    """Return a tag of text, whose bytes stay as they are."""
    return Tag(_ASCII, value + b"\0")
