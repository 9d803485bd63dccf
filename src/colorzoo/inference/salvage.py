"""What is left of pictures that were cut short, for those who ask for it: nothing of it happens by itself.

Decoders have switches for this, but for all pictures of a process at once; here the files are mended instead.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from colorzoo.inference.deep import missing_bytes
from colorzoo.inference.png import SIGNATURE, png_chunk

NOTE = "cut short: what is missing was filled"
_MOST = 100  # times what is there; what claims to lack more lies
_PIXELS = (b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: First column and row, and steps, of the seven passes of an interlaced PNG.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def mended(data: bytes) -> bytes | None:
    """Return the bytes of a file that decodes: as `data`, with what is missing filled.

    Returns:
        None where too little is left, or the format is none of JPEG, PNG, BMP and TIFF without compression.
    """
    if data.startswith(b"\xff\xd8"):
        return data + b"\xff\xd9"  # libjpeg fills the rest with gray
    if data.startswith(SIGNATURE):
        return _mended_png(data)
    if data.startswith(b"BM"):
        missing = int.from_bytes(data[2:6], "little") - len(data)
        return data + bytes(missing) if 0 < missing <= _MOST * len(data) else None
    missing = missing_bytes(data)
    return data + bytes(missing) if 0 < missing <= _MOST * len(data) else None


def _mended_png(data: bytes) -> bytes | None:
    chunks = list(_chunks(data))
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
    kept = [
        (name, body) for name, body in chunks if name not in (b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
    ]
    whole = [*kept, (b"IDAT", zlib.compress(raw, 1)), (b"IEND", b"")]
    return SIGNATURE + b"".join(png_chunk(name, body) for name, body in whole)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">L4s", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length


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
