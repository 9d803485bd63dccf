"""Animated PNG of 16 bits, of which Pillow keeps 8: its frames are put together here."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import CutShortError
from colorzoo.inference.deep import decode_png
from colorzoo.inference.png import SIGNATURE, png_chunk

_CLEAR, _RESTORE = 1, 2
_FULL = np.float64(65535)


@dataclass(frozen=True)
class _Part:
    """A frame as stored: what is new, where, and what becomes of it."""

    place: tuple[slice, slice]
    size: tuple[int, int]
    clear: int
    blend: bool
    milliseconds: float


def deep_frames(file: IO[bytes], name: str) -> Iterator[tuple[NDArray[np.uint16], float | None]]:
    """Yield the frames of an animated PNG of 16 bits a channel.

    Args:
        file: The PNG.
        name: What to call it in errors.

    Yields:
        ``(H, W, 1 to 4)``, with alpha if the file has it, and the milliseconds that it is shown; None for a
        picture that only programs show which know no animations.

    Raises:
        CutShortError: The file ends before its end, or a frame is damaged.
    """
    canvas: NDArray[np.uint16] | None = None
    header, key = b"", None
    for part, body, header, key in _parts(file, name):
        stored = _decoded(header, part, body, name)
        pixels = _with_alpha(stored, key)
        visible = stored.shape[2] in (2, 4) or key is not None
        if part is None:
            yield pixels if visible else stored, None
            continue
        if canvas is None:
            width, height = struct.unpack_from(">LL", header)
            canvas = np.zeros((height, width, pixels.shape[2]), np.uint16)
        before = canvas[part.place].copy()
        canvas[part.place] = _over(pixels, before) if part.blend else pixels
        yield (canvas if visible else canvas[..., :-1]).copy(), part.milliseconds
        if part.clear == _CLEAR:
            canvas[part.place] = 0
        elif part.clear == _RESTORE:
            canvas[part.place] = before


def _parts(file: IO[bytes], name: str) -> Iterator[tuple[_Part | None, bytes, bytes, bytes | None]]:
    """Yield each picture as stored: its place, compressed pixels, the file's header and transparent color."""
    header, key, part, body = b"", None, None, bytearray()
    for kind, data in _chunks(file, name):
        if kind == b"IHDR":
            header = data
        elif kind == b"tRNS":
            key = data
        elif kind == b"IDAT":
            body += data
        elif kind == b"fdAT":
            body += data[4:]
        elif kind in (b"fcTL", b"IEND"):
            if body:
                yield part, bytes(body), header, key
            body.clear()
            part = _part(data, header, name) if kind == b"fcTL" else None


def _chunks(file: IO[bytes], name: str) -> Iterator[tuple[bytes, bytes]]:
    file.seek(len(SIGNATURE))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise CutShortError(f"{name} is cut short: its animation has no end")
        length, kind = struct.unpack(">L4s", head)
        data = file.read(length)
        if len(data) < length:
            raise CutShortError(f"{name} is cut short in its animation")
        file.read(4)
        yield kind, data


def _part(data: bytes, header: bytes, name: str) -> _Part:
    try:
        _, width, height, x, y, delay, parts, clear, blend = struct.unpack(">LLLLLHHBB", data)
        whole_width, whole_height = struct.unpack_from(">LL", header)
    except struct.error as error:
        raise CutShortError(f"{name} has a damaged animation") from error
    if not (0 < width <= whole_width - x and 0 < height <= whole_height - y):
        raise CutShortError(f"{name} has a damaged animation: a frame leaves the picture")
    place = (slice(y, y + height), slice(x, x + width))
    return _Part(place, (width, height), clear, blend == 1, 1000 * delay / (parts or 100))


def _decoded(header: bytes, part: _Part | None, body: bytes, name: str) -> NDArray[Any]:
    size = struct.unpack_from(">LL", header) if part is None else part.size
    alone = struct.pack(">LL", *size) + header[8:]
    chunks = ((b"IHDR", alone), (b"IDAT", body), (b"IEND", b""))
    stored = decode_png(SIGNATURE + b"".join(png_chunk(kind, data) for kind, data in chunks))
    if stored is None or stored.dtype != np.uint16:
        raise CutShortError(f"{name} is damaged: a frame of its animation cannot be read")
    return stored


def _with_alpha(stored: NDArray[Any], key: bytes | None) -> NDArray[np.uint16]:
    """Return gray or color with alpha, which a transparent color may stand for."""
    if stored.shape[2] in (2, 4):
        return stored
    alpha = np.full(stored.shape[:2], 65535, np.uint16)
    if key is not None and len(key) == 2 * stored.shape[2]:
        alpha[(stored == np.frombuffer(key, ">u2")).all(axis=2)] = 0
    return np.dstack([stored, alpha])


def _over(new: NDArray[np.uint16], old: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Lay a picture over another one, both with alpha."""
    upper, lower = new[..., -1:] / _FULL, old[..., -1:] / _FULL
    below = lower * (1 - upper)
    alpha = upper + below
    color: NDArray[Any] = (new[..., :-1] * upper + old[..., :-1] * below) / np.maximum(alpha, 1 / _FULL)
    laid: NDArray[np.uint16] = np.rint(np.concatenate([color, alpha * _FULL], axis=2)).astype(np.uint16)
    return laid
