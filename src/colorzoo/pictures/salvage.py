"""Completion of pictures that were cut short, so that decoders read what is left. Opt-in only.

Decoders have switches for this, but for all pictures of a process at once; here the files are completed.
"""

from __future__ import annotations

import struct
import zlib

from colorzoo.pictures.png import SIGNATURE, png_chunk, read_chunks
from colorzoo.pictures.tiff import missing_bytes

NOTE = "cut short: what is missing was filled"
_MOST = 100  # times the size of the file; a file that lacks more is damaged
_REPLACED = (b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# first column and row, and steps, of the seven passes of an interlaced PNG
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def completed(data: bytes) -> bytes | None:
    """Fill the missing end of a file so that it decodes.

    Returns:
        None if too little is left, or the format is none of JPEG, PNG, BMP and uncompressed TIFF.
    """
    if data.startswith(b"\xff\xd8"):
        return data + b"\xff\xd9"  # libjpeg fills the rest with gray
    if data.startswith(SIGNATURE):
        return _completed_png(data)
    if data.startswith(b"BM"):
        missing = int.from_bytes(data[2:6], "little") - len(data)
    else:
        missing = missing_bytes(data)
    return data + bytes(missing) if 0 < missing <= _MOST * len(data) else None


def _completed_png(data: bytes) -> bytes | None:
    chunks = list(read_chunks(data[len(SIGNATURE) :]))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        return None
    size = _raw_size(chunks[0][1])
    if size is None:
        return None
    unpacker = zlib.decompressobj()
    raw = bytearray()
    for body in (body for name, body in chunks if name == b"IDAT"):
        try:
            raw += unpacker.decompress(body, size - len(raw) or 1)
        except zlib.error:
            break
    if not raw:
        return None
    raw = raw[:size] + bytes(size - len(raw))
    kept = [(name, body) for name, body in chunks if name not in _REPLACED]
    whole = [*kept, (b"IDAT", zlib.compress(raw, 1)), (b"IEND", b"")]
    return SIGNATURE + b"".join(png_chunk(name, body) for name, body in whole)


def _raw_size(header: bytes) -> int | None:
    """Return the bytes of all rows of a PNG, each with the number of its filter."""
    width, height, bits, color, _, _, interlaced = struct.unpack(">LLBBBBB", header)
    if color not in _CHANNELS:
        return None
    total = 0
    for x, y, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits * _CHANNELS[color] // 8))
    return total
