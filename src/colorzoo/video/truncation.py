"""Check whether a video file is truncated, from the sizes declared in its container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

_EBML = b"\x1aE\xdf\xa3"


def missing_bytes(path: Path) -> int:
    """Return how many bytes are missing at the end of a file; 0 if it is complete or declares no size.

    Supports MP4, QuickTime, Matroska, WebM and AVI.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] == b"RIFF":
            return max(0, int.from_bytes(head[4:8], "little") + 8 - size)
        if head[:4] == _EBML:
            return max(0, _matroska_end(file) - size)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return max(0, _boxes_end(file, size) - size)
    return 0


def _boxes_end(file: IO[bytes], size: int) -> int:
    """Return the end position of the last box of an MP4 file."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 means up to the end of the file
            return size
        place += length
    return place


def _matroska_end(file: IO[bytes]) -> int:
    """Return the end position of the segment of a Matroska file; 0 if it is not declared."""
    file.seek(4)
    header = _length(file)
    if header is None:
        return 0
    file.seek(header + 4, os.SEEK_CUR)  # skip the segment ID
    segment = _length(file)
    return 0 if segment is None else file.tell() + segment


def _length(file: IO[bytes]) -> int | None:
    """Read a variable-length integer; None if it is declared as unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    mask = (1 << (7 * (extra + 1))) - 1
    value = int.from_bytes(first + file.read(extra), "big") & mask
    return None if value == mask else value
