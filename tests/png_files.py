"""Chunks of PNG files."""

from __future__ import annotations

import struct
import zlib


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Encode a chunk."""
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
