"""Invalid uploads, generated on the fly."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from pads import photo_file


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb() -> bytes:
    """Return a small PNG whose header declares 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """Return a PNG whose comment decompresses to 200 MB."""
    packed = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    good = photo_file(8, 8)
    return good[:33] + chunk(b"zTXt", packed) + good[33:]


def tiff_of(width: int, height: int) -> bytes:
    """Return the header of a float color TIFF, which a different decoder reads."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 32), (259, 3, 1), (262, 3, 2), (273, 4, 200)]
    entries += [(277, 3, 3), (278, 4, height), (279, 4, 100), (339, 3, 3)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(400)


BAD_FILES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"this is not an image",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "pickle": lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n",
    "cut JPEG": lambda: photo_file(64, 64, "JPEG")[:400],
    "cut PNG": lambda: photo_file(300, 300)[:900],
    "PNG bomb": png_bomb,
    "text bomb": text_bomb,
    "float TIFF bomb": lambda: tiff_of(60_000, 60_000),
}
