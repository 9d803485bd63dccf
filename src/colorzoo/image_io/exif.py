"""Copy and encode the directories of EXIF blocks and TIFF files with Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import IO, NamedTuple

from PIL import ExifTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

Directory = ImageFileDirectory_v2
"""Tags of a directory by number, with their types in ``tagtype``."""
TIFF_HEADER = b"II*\0\x08\0\0\0"
"""Header of a little-endian TIFF file, which the first directory follows."""
_NESTED = (int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
_LONG8 = 16  # lowest type that exists only in BigTIFF


class CopiedDirectories(NamedTuple):
    """Copied tags of an EXIF block or a TIFF page.

    Attributes:
        main: Main directory without the tags of nested directories.
        nested: Nested directories by tag number.
        is_damaged: Whether damaged tags were skipped.
        omitted: Numbers of the tags that were not selected or were dropped.
        has_next: Whether another directory follows the main directory.
    """

    main: Directory
    nested: dict[int, Directory]
    is_damaged: bool
    omitted: frozenset[int]
    has_next: bool


def copy_directories(
    source: IO[bytes] | bytes,
    *,
    selected: Collection[int] | None = None,
    dropped: Collection[int] = (),
    offset: int | None = None,
) -> CopiedDirectories:
    """Copy the tags of a directory and of its EXIF and GPS directories.

    Tags that are damaged or exist only in BigTIFF are skipped.

    Args:
        source: Stream of a TIFF or BigTIFF file with any byte order, or content of an EXIF block.
        selected: Numbers of the tags to copy from the main directory; None copies all tags.
        dropped: Numbers of the tags that are not copied from any directory.
        offset: Position of the directory in the file; None for the first directory.

    Returns:
        The copied directories, which are empty for a source without a TIFF header.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    main, nested, has_next = Directory(), dict[int, Directory](), False
    omitted = set[int]()
    try:
        stored, is_damaged = _read_directory(file, offset)
        numbers = set(stored) if selected is None else set(selected)
        main = _copy_tags(stored, numbers.difference(dropped, _NESTED))
        omitted.update(set(stored).difference(main))
        has_next = bool(stored.next)
        for number in _NESTED:
            if number not in stored:
                continue
            inner, is_inner_damaged = _read_directory(file, stored[number])
            is_damaged |= is_inner_damaged
            copied = _copy_tags(inner, set(inner).difference(dropped))
            omitted.update(set(inner).difference(copied))
            if copied:
                nested[number] = copied
    except Exception:  # Pillow raises many types of errors for damaged directories
        is_damaged = source != b""  # an empty EXIF block is not damaged
    return CopiedDirectories(main, nested, is_damaged, frozenset(omitted.difference(_NESTED)), has_next)


def _read_directory(file: IO[bytes], offset: int | None) -> tuple[Directory, bool]:
    """Return a directory, and whether Pillow skipped damaged tags."""
    file.seek(0)
    header = file.read(8)
    is_big = header[2:4] in (b"+\0", b"\0+")  # BigTIFF
    if is_big:
        header += file.read(8)
    directory = Directory(header)
    start = directory.next if offset is None else offset
    file.seek(start)
    count_format = ("<" if header.startswith(b"II") else ">") + ("Q" if is_big else "H")
    (count,) = struct.unpack(count_format, file.read(struct.calcsize(count_format)))
    file.seek(start)
    directory.load(file)
    return directory, len(directory.tagtype) < count


def _copy_tags(source: Directory, selected: Collection[int]) -> Directory:
    """Copy tags with their types to a little-endian directory."""
    copied = Directory()
    for number, kind in source.tagtype.items():
        if number in selected and kind < _LONG8:
            with suppress(Exception):  # a damaged tag
                value = source[number]
                copied.tagtype[number] = kind
                # Pillow decodes texts as Latin-1, but encodes them as ASCII
                copied[number] = value.encode("latin-1") if isinstance(value, str) else value
    return copied


def encode_directories(main: Directory, nested: Mapping[int, Directory], offset: int) -> bytes:
    """Encode a directory, followed by its nested directories, for a little-endian TIFF file.

    Args:
        main: Directory; the tags of the nested directories are set.
        nested: EXIF and GPS directories by tag number.
        offset: Position of the main directory in the file, an even number.
    """
    for number in nested:
        main[number] = 0  # the length of the main directory does not depend on the value
    position = offset + len(main.tobytes(offset))
    blocks = b""
    for number, directory in nested.items():
        main[number] = position + len(blocks)
        blocks += directory.tobytes(position + len(blocks))
    return main.tobytes(offset) + blocks
