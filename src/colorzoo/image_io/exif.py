"""Read and write the directories of EXIF blocks and TIFF files.

Tag values are copied as bytes. Pillow decodes and encodes the values, which changes the types of some tags
and fails for all tags if one tag has an unexpected type.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import ExifTags

EXIF_IFD, GPS_IFD = int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
TIFF_HEADER = b"II*\0\x08\0\0\0"
"""Header of a little-endian TIFF file, which the first directory follows."""
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_RATIONAL, LONG8 = 1, 2, 3, 4, 5, 7, 10, 16
# bytes per number by type; 13 and 18 are offsets of directories, and types from 16 exist only in BigTIFF
_WIDTHS = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 4, 6: 1, UNDEFINED: 1, 8: 2, 9: 4}
_WIDTHS |= {SIGNED_RATIONAL: 4, 11: 4, 12: 8, 13: 4, LONG8: 8, 17: 8, 18: 8}
_NESTED = (EXIF_IFD, GPS_IFD)
_MAX_BYTES, _MAX_ENTRIES = 2**26, 2**16  # larger values and directories are damaged or malicious
_UNICODE = b"UNICODE\0"  # prefix of UTF-16 comments, whose byte order is the byte order of the file


class Tag(NamedTuple):
    """Type of an EXIF or TIFF tag, and its values as little-endian bytes."""

    kind: int
    data: bytes


Directory = dict[int, "Tag | Directory"]
"""Tags of a directory by number; nested directories, such as GPS, are dicts."""


def tag_of(kind: int, *values: float) -> Tag:
    """Return a tag with nonnegative numbers.

    Args:
        kind: SHORT, LONG or RATIONAL.
        *values: Values of the tag, which are integers unless ``kind`` is RATIONAL.
    """
    numbers = [Fraction(value).limit_denominator(10_000) for value in values]
    parts = [part for each in numbers for part in each.as_integer_ratio()[: 2 if kind == RATIONAL else 1]]
    return Tag(kind, b"".join(part.to_bytes(_WIDTHS[kind], "little") for part in parts))


def read_directory(
    source: IO[bytes] | bytes,
    *,
    selected: Collection[int] | None = None,
    skipped: Collection[int] = (),
    offset: int | None = None,
) -> tuple[Directory, bool]:
    """Read a directory with its EXIF and GPS directories.

    Tags that are damaged or have an unknown type are skipped.

    Args:
        source: Stream of a TIFF or BigTIFF file with any byte order, or content of an EXIF block.
        selected: Numbers of the tags to read from the main directory; None reads all tags. The EXIF and GPS
            directories are always read.
        skipped: Numbers of the tags that are not read from the EXIF and GPS directories.
        offset: Position of the directory in the file; None for the first directory.

    Returns:
        The directory, and whether a selected tag was skipped because it is damaged or has an unknown type. A
        source without a TIFF header gives an empty directory and True.
    """
    reader = _Reader(io.BytesIO(source) if isinstance(source, bytes) else source)
    directory: Directory = {}
    main = reader.read(lambda number: selected is None or number in selected or number in _NESTED, offset)
    for number, tag in main.items():
        if number in _NESTED:
            start = int.from_bytes(tag.data[:8], "little")
            nested = reader.read(lambda inner: inner not in skipped, start)
            if nested:
                directory[number] = dict(nested)
        elif tag.kind < LONG8:  # tags with 64-bit numbers exist only in BigTIFF and cannot be stored in EXIF
            directory[number] = tag
    return directory, reader.damaged


class _Reader:
    """Reader for the directories of a file; `damaged` is set if a selected tag cannot be read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file.seek(0)
        head = self._file.read(16)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self._is_big = head[2:4] in (b"+\0", b"\0+")
        self._first = self._integer(head[8:16] if self._is_big else head[4:8])
        self.damaged = not self._order or len(head) < 8

    def _integer(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self._order == "<" else "big")

    def read(self, select: Callable[[int], bool], offset: int | None) -> dict[int, Tag]:
        """Return the tags of a directory whose number ``select`` accepts."""
        tags = dict[int, Tag]()
        if not self._order:
            return tags
        for number, kind, length, inline in self._entries(self._first if offset is None else offset):
            if select(number):
                value = self._value(kind, length, inline)
                if value is None:
                    self.damaged = True
                else:
                    tags[number] = Tag(kind, value)
        return tags

    def _entries(self, offset: int) -> list[tuple[Any, ...]]:
        """Return the number, type, count and value or value offset of each tag."""
        count_format, entry_format = ("Q", "HHQ8s") if self._is_big else ("H", "HHL4s")
        entries = list[tuple[Any, ...]]()
        self._file.seek(offset)
        try:
            count = self._unpack(count_format)[0]
            while len(entries) < min(count, _MAX_ENTRIES):
                entries.append(self._unpack(entry_format))
        except struct.error:  # truncated
            self.damaged = True
        return entries

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        layout = self._order + layout
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))

    def _value(self, kind: int, count: int, inline: bytes) -> bytes | None:
        """Return the value of a tag as little-endian bytes; None if the tag is damaged."""
        width = _WIDTHS.get(kind, 0)
        size = width * count * (2 if kind in (RATIONAL, SIGNED_RATIONAL) else 1)
        if not 0 < size <= _MAX_BYTES:
            return None
        data = inline[:size]
        if size > len(inline):
            self._file.seek(self._integer(inline))
            data = self._file.read(size)
        if len(data) < size:
            return None
        if self._order == ">":
            data = _swapped(data, width)
            if kind == UNDEFINED and data.startswith(_UNICODE) and size % 2 == 0:
                data = _UNICODE + _swapped(data[len(_UNICODE) :], 2)
        return data


def _swapped(data: bytes, width: int) -> bytes:
    """Reverse the bytes of each number of ``width`` bytes."""
    return np.frombuffer(data, np.uint8).reshape(-1, width)[:, ::-1].tobytes()


def encode_directory(directory: Directory, offset: int) -> bytes:
    """Encode a directory, followed by its values and nested directories, for a little-endian TIFF file.

    The encoded directory has no successor: its link to the next directory is 0.

    Args:
        directory: Tags of the directory.
        offset: Position of the directory in the file, an even number.
    """
    entries, values = b"", b""
    # the values follow the number of entries (2 bytes), the entries (12 bytes each) and the link (4 bytes)
    values_start = offset + 2 + 12 * len(directory) + 4
    for number, tag in sorted(directory.items()):
        value_offset = values_start + len(values)
        if isinstance(tag, dict):
            value = encode_directory(tag, value_offset)
            entries += struct.pack("<HHLL", number, LONG, 1, value_offset)
        else:
            kind, value = tag
            numbers_per_value = 2 if kind in (RATIONAL, SIGNED_RATIONAL) else 1
            count = len(value) // _WIDTHS[kind] // numbers_per_value
            entries += struct.pack("<HHL", number, kind, count)
            if len(value) <= 4:  # the entry contains the value instead of its offset
                entries += value.ljust(4, b"\0")
                continue
            entries += struct.pack("<L", value_offset)
        values += value + bytes(len(value) % 2)  # each value must start at an even offset
    return struct.pack("<H", len(directory)) + entries + bytes(4) + values
