"""PNG: chunks, metadata, and pictures and animations of 16 bits a channel, which Pillow cuts to 8."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.errors import CutShortError
from colorzoo.pictures.metadata import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CLEAR, _RESTORE = 1, 2  # disposal of a frame
_FULL = np.float64(65535)
_LINEAR, _PLAIN_TRANSFERS, _PLAIN_PRIMARIES = 8, (1, 6, 13, 14, 15), (1, 2)  # codes of H.273
_SRGB_GAMMA, _LEAST_GAMMA, _MOST_GAMMA = 45455, 10_000, 300_000  # in hundred thousandths


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Encode a chunk."""
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each chunk, the last one cut where the data end."""
    place = 0
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">L4s", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length


def png_header(file: IO[bytes]) -> tuple[int, int]:
    """Return bits per channel and color type of a PNG; the position in the file does not change."""
    place = file.tell()
    file.seek(24)
    bits, color = file.read(2)
    file.seek(place)
    return bits, color


def png_transfer(file: IO[bytes]) -> tuple[float | None, str]:
    """Read how the values of a PNG stand for light, by its chunks cICP, iCCP, sRGB and gAMA in this order.

    Returns:
        The exponent of light that gives the values; None for sRGB and for a color profile. And a note on
        what is not applied, or nothing.
    """
    found: dict[bytes, bytes] = {}
    place = file.tell()
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        (length,) = struct.unpack_from(">L", head)
        body = file.read(min(length, 16))
        found.setdefault(head[4:], body)
        file.seek(length - len(body) + 4, io.SEEK_CUR)
    file.seek(place)
    code = found.get(b"cICP", b"")
    if b"iCCP" not in found and len(code) == 4:
        exponent = 1.0 if code[1] == _LINEAR else None
        known = code[0] in _PLAIN_PRIMARIES and code[1] in (_LINEAR, *_PLAIN_TRANSFERS)
        return exponent, "" if known else "its color space (cICP) was taken as sRGB"
    (gamma,) = struct.unpack(">L", found.get(b"gAMA", b"").ljust(4, b"\0")[:4])
    if not gamma or {b"iCCP", b"sRGB"} & found.keys() or abs(gamma - _SRGB_GAMMA) < _SRGB_GAMMA // 50:
        return None, ""
    if not _LEAST_GAMMA <= gamma <= _MOST_GAMMA:
        return None, f"its gamma of {gamma / 1e5:g} is out of range and was ignored"
    return gamma / 1e5, ""


def decode_png(data: bytes) -> NDArray[Any] | None:
    """Return the stored ``(H, W, channels)`` of a PNG, not turned upright; None if it is damaged."""
    import imagecodecs

    try:
        stored: NDArray[Any] = imagecodecs.png_decode(data)
    except Exception:  # libpng's errors, and those of a size that does not fit into memory
        return None
    return stored.reshape(*stored.shape[:2], -1)


def encode_png(stored: NDArray[Any], data: Metadata) -> tuple[bytes, bytes, bytes]:
    """Encode a PNG in three parts: up to its header, the chunks of metadata, and the pixels to the end.

    Args:
        stored: ``(H, W, 3 or 4)`` uint8 or uint16.
        data: Metadata of the file.
    """
    if stored.dtype == np.uint16:
        from imagecodecs import PNG, png_encode

        # differences of neighbors hardly repeat in 16 bits: a search beyond runs takes four times as long
        # and saves no bytes
        encoded = bytes(png_encode(stored, level=1, strategy=PNG.STRATEGY.RLE, filter=PNG.FILTER.SUB))
    else:
        memory = io.BytesIO()
        Image.fromarray(stored).save(memory, "PNG")
        encoded = memory.getvalue()
    chunks = []
    if data.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(data.icc)))
    if data.dpi:
        x, y = (round(value / 0.0254) for value in data.dpi)
        chunks.append((b"pHYs", struct.pack(">LLB", x, y, 1)))
    if data.exif:
        chunks.append((b"eXIf", data.exif))
    texts = [(key.encode("latin-1", "replace"), value.encode()) for key, value in data.text]
    if data.comment and "Comment" not in dict(data.text):
        texts.append((b"Comment", _as_utf8(data.comment)))
    if data.xmp:
        texts.append((b"XML:com.adobe.xmp", data.xmp))
    chunks += [(b"iTXt", key + b"\0\0\0\0\0" + value) for key, value in texts]
    header = 8 + 25  # signature and IHDR, which must come first
    return encoded[:header], b"".join(png_chunk(*chunk) for chunk in chunks), encoded[header:]


def _as_utf8(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


@dataclass(frozen=True)
class _FrameControl:
    """Position, size, disposal, blending and duration of an animation's frame (chunk fcTL)."""

    place: tuple[slice, slice]
    size: tuple[int, int]
    disposal: int
    blend: bool
    milliseconds: float


def deep_frames(file: IO[bytes], name: str) -> Iterator[tuple[NDArray[np.uint16], float | None]]:
    """Yield the frames of an animated PNG of 16 bits a channel.

    Args:
        file: The PNG.
        name: Name of the file for error messages.

    Yields:
        ``(H, W, 1 to 4)``, with alpha if the file has it, and its duration in milliseconds; None for the
        default image, which only programs without support for animations show.

    Raises:
        CutShortError: The file is cut short, or a frame is damaged.
    """
    canvas: NDArray[np.uint16] | None = None
    for control, body, header, key in _stored_frames(file, name):
        stored = _decoded(header, control, body, name)
        pixels = _with_alpha(stored, key)
        visible = stored.shape[2] in (2, 4) or key is not None
        if control is None:
            yield pixels if visible else stored, None
            continue
        if canvas is None:
            width, height = struct.unpack_from(">LL", header)
            canvas = np.zeros((height, width, pixels.shape[2]), np.uint16)
        before = canvas[control.place].copy()
        canvas[control.place] = _composite(pixels, before) if control.blend else pixels
        yield (canvas if visible else canvas[..., :-1]).copy(), control.milliseconds
        if control.disposal == _CLEAR:
            canvas[control.place] = 0
        elif control.disposal == _RESTORE:
            canvas[control.place] = before


def _stored_frames(
    file: IO[bytes], name: str
) -> Iterator[tuple[_FrameControl | None, bytes, bytes, bytes | None]]:
    """Yield the control and the compressed pixels of each frame, with the file's header and color key."""
    header, key, control, body = b"", None, None, bytearray()
    file.seek(len(SIGNATURE))
    chunk = b""
    while chunk != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise CutShortError(f"{name} is cut short: its animation has no end")
        length, chunk = struct.unpack(">L4s", head)
        data = file.read(length)
        if len(data) < length:
            raise CutShortError(f"{name} is cut short in its animation")
        file.read(4)
        if chunk == b"IHDR":
            header = data
        elif chunk == b"tRNS":
            key = data
        elif chunk == b"IDAT":
            body += data
        elif chunk == b"fdAT":
            body += data[4:]
        elif chunk in (b"fcTL", b"IEND"):
            if body:
                yield control, bytes(body), header, key
            body.clear()
            control = _frame_control(data, header, name) if chunk == b"fcTL" else None


def _frame_control(data: bytes, header: bytes, name: str) -> _FrameControl:
    try:
        _, width, height, x, y, delay, parts, disposal, blend = struct.unpack(">LLLLLHHBB", data)
        whole_width, whole_height = struct.unpack_from(">LL", header)
    except struct.error as error:
        raise CutShortError(f"{name} has a damaged animation") from error
    if not (0 < width <= whole_width - x and 0 < height <= whole_height - y):
        raise CutShortError(f"{name} has a damaged animation: a frame leaves the picture")
    place = (slice(y, y + height), slice(x, x + width))
    return _FrameControl(place, (width, height), disposal, blend == 1, 1000 * delay / (parts or 100))


def _decoded(header: bytes, control: _FrameControl | None, body: bytes, name: str) -> NDArray[Any]:
    """Decode a frame as a PNG of its own."""
    size = struct.unpack_from(">LL", header) if control is None else control.size
    chunks = ((b"IHDR", struct.pack(">LL", *size) + header[8:]), (b"IDAT", body), (b"IEND", b""))
    stored = decode_png(SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks))
    if stored is None or stored.dtype != np.uint16:
        raise CutShortError(f"{name} is damaged: a frame of its animation cannot be read")
    return stored


def _with_alpha(stored: NDArray[Any], key: bytes | None) -> NDArray[np.uint16]:
    """Add an alpha channel, transparent at the pixels of the color key."""
    if stored.shape[2] in (2, 4):
        return stored
    alpha = np.full(stored.shape[:2], 65535, np.uint16)
    if key is not None and len(key) == 2 * stored.shape[2]:
        alpha[(stored == np.frombuffer(key, ">u2")).all(axis=2)] = 0
    return np.dstack([stored, alpha])


def _composite(new: NDArray[np.uint16], old: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Blend one picture over another, both with alpha."""
    upper, lower = new[..., -1:] / _FULL, old[..., -1:] / _FULL
    below = lower * (1 - upper)
    alpha = upper + below
    color: NDArray[Any] = (new[..., :-1] * upper + old[..., :-1] * below) / np.maximum(alpha, 1 / _FULL)
    blended: NDArray[np.uint16] = np.rint(np.concatenate([color, alpha * _FULL], axis=2)).astype(np.uint16)
    return blended
