"""Copy and encode the directories of EXIF blocks and TIFF files with Pillow."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import IO

from PIL import ExifTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

Directory = ImageFileDirectory_v2
"""Tags of a directory by number, with their types in ``tagtype``."""
TIFF_HEADER = b"II*\0\x08\0\0\0"
"""Header of a little-endian TIFF file, which the first directory follows."""
_NESTED = (int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
_LONG8 = 16  # lowest type that exists only in BigTIFF


def copy_directories(
    source: IO[bytes] | bytes,
    *,
    selected: Collection[int] | None = None,
    dropped: Collection[int] = (),
    offset: int | None = None,
) -> tuple[Directory, dict[int, Directory]]:
    """Copy the tags of a directory and of its EXIF and GPS directories.

    Tags that are damaged or exist only in BigTIFF are skipped.

    Args:
        source: Stream of a TIFF or BigTIFF file with any byte order, or content of an EXIF block.
        selected: Numbers of the tags to copy from the main directory; None copies all tags.
        dropped: Numbers of the tags that are not copied from any directory.
        offset: Position of the directory in the file; None for the first directory.

    Returns:
        Main directory without the tags of nested directories, and the nested directories by tag number. Both
        are empty for a source without a TIFF header.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    main, nested = Directory(), dict[int, Directory]()
    with suppress(Exception):  # Pillow raises many types of errors for damaged directories
        stored = _read_directory(file, offset)
        main = _copy_tags(stored, set(stored if selected is None else selected).difference(dropped, _NESTED))
        for number in _NESTED:
            if number in stored:
                inner = _read_directory(file, stored[number])
                if copied := _copy_tags(inner, set(inner).difference(dropped)):
                    nested[number] = copied
    return main, nested


def _read_directory(file: IO[bytes], offset: int | None) -> Directory:
    file.seek(0)
    header = file.read(8)
    if header[2:4] in (b"+\0", b"\0+"):  # BigTIFF
        header += file.read(8)
    directory = Directory(header)
    file.seek(directory.next if offset is None else offset)
    directory.load(file)
    return directory


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
