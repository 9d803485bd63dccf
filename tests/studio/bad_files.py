"""Twenty invalid uploads, generated on the fly."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from pads import photo_file
from PIL import Image


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb() -> bytes:
    """A few kilobytes that claim 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 200 MB."""
    packed = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    good = photo_file(8, 8)
    return good[:33] + chunk(b"zTXt", packed) + good[33:]


def tiff_of(width: int, height: int) -> bytes:
    """The header of a float color TIFF, which another decoder reads."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 32), (259, 3, 1), (262, 3, 2), (273, 4, 200)]
    entries += [(277, 3, 3), (278, 4, height), (279, 4, 100), (339, 3, 3)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(400)


def gif_bomb() -> bytes:
    return b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\xf0\0\0" + bytes(6) + b"\x21\xf9\4\0\0\0\0\0"


def saved(kind: str) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8) + np.arange(64, dtype=np.uint8)[:, None]).save(
        memory, kind
    )
    return memory.getvalue()


BAD_FILES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "one byte": lambda: b"\0",
    "text": lambda: b"this is not an image",
    "html": lambda: b"<!doctype html><script>alert(1)</script>",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "pickle": lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "pdf": lambda: b"%PDF-1.7\n1 0 obj\n",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n",
    "heic": lambda: b"\0\0\0\x18ftypheic" + bytes(60),
    "video": lambda: b"\0\0\0\x18ftypmp42" + bytes(60),
    "zeros": lambda: bytes(100_000),
    "cut JPEG": lambda: saved("JPEG")[:400],
    "cut PNG": lambda: photo_file(300, 300)[:900],
    "cut WebP": lambda: saved("WEBP")[:40],
    "cut TIFF": lambda: saved("TIFF")[:200],
    "broken PNG": lambda: photo_file()[:60] + b"\xff" * 40 + photo_file()[100:],
    "JPEG header alone": lambda: b"\xff\xd8\xff\xe0" + bytes(40),
    "PNG bomb": png_bomb,
    "text bomb": text_bomb,
    "GIF bomb": gif_bomb,
    "float TIFF bomb": lambda: tiff_of(60_000, 60_000),
    "damaged float TIFF": lambda: tiff_of(50, 50),
}
