"""Writing of frames one at a time: animated GIF, PNG and WebP, and TIFF of several pages.

Every frame is written whole, needing none of those before it, and then released, so memory does not grow
with their number. (Pillow keeps all frames and joins equal ones.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL.GifImagePlugin import getdata

from colorzoo.errors import PictureError
from colorzoo.pictures.frames import Frames
from colorzoo.pictures.metadata import Metadata
from colorzoo.pictures.picture import Levels, Picture
from colorzoo.pictures.png import encode_png, png_chunk, read_chunks
from colorzoo.pictures.tiff import TIFF_HEADER, encode_page
from colorzoo.pictures.write import (
    check_pixels_fit,
    check_target,
    encode_by_pillow,
    format_of,
    gif_image,
    quantized,
    whole_file,
)

_LARGEST_TIFF = 2**32 - 2**16
_LEAVE, _CLEAR = 1, 2  # disposal of a GIF frame


@dataclass(frozen=True)
class ColoredFrame:
    """A colored frame.

    Attributes:
        rgb: ``(H, W, 3)`` sRGB: uint8, uint16, or float in [0, 1].
        like: The source frame, for depth, alpha and metadata.
        milliseconds: Its duration.
        hidden: See `colorzoo.pictures.frames.PictureFrame`.
    """

    rgb: Levels
    like: Picture
    milliseconds: float = 0
    hidden: bool = False


def write_frames(
    path: str | Path,
    frames: Iterable[ColoredFrame],
    source: Frames,
    *,
    quality: int = 95,
    overwrite: bool = False,
) -> Path:
    """Write the colored frames or pages of a file, one at a time.

    The first frame's metadata are the file's; pages have their own. Errors are those of `write_picture`.

    Args:
        path: The file to write, of a format that `holds_frames`.
        frames: At least one.
        source: Content of the file that the frames come from.
        quality: See `write_picture`.
        overwrite: See `write_picture`.
    """
    path = Path(path)
    kind = format_of(path)
    with whole_file(path, overwrite=overwrite) as file:
        writer = _WRITERS[kind](file, source, quality)
        for number, frame in enumerate(frames):
            check_pixels_fit(frame.rgb, frame.like)
            if number == 0:
                check_target(path, frame.like, kind, overwrite=overwrite)
            if not frame.hidden or kind == "PNG":  # the others have no place for a default image
                writer.add(frame)
        writer.finish()
    return path


class _TiffPages:
    """Writer of a TIFF of several pages, each with its own metadata."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        self._file, self._link = file, 4  # offset at which the next directory's offset is to be written
        file.write(TIFF_HEADER)

    def add(self, frame: ColoredFrame) -> None:
        place = self._file.seek(0, 2)
        if place % 2:
            place += self._file.write(b"\0")
        like = frame.like
        stored = quantized(frame.rgb, like, 16 if like.bit_depth == 16 else 8)
        directory, strip = encode_page(stored, like.metadata, place)
        if place + len(directory) + len(strip) > _LARGEST_TIFF:
            raise PictureError("all pages together are more than a TIFF can hold (4 GB); give --frames first")
        self._file.write(directory)
        self._file.write(strip)
        self._file.seek(self._link)
        self._file.write(struct.pack("<L", place))
        (entries,) = struct.unpack_from("<H", directory)
        self._link = place + 2 + 12 * entries

    def finish(self) -> None:
        """Do nothing: a TIFF has no end mark."""


class _AnimatedPng:
    """Writer of an animated PNG, of 8 or 16 bits like its first frame."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        self._file, self._frames = file, frames
        self._depth, self._sequence, self._shown = 8, 0, 0
        self._control_at = 0

    def add(self, frame: ColoredFrame) -> None:
        first = self._control_at == 0
        if first:
            self._depth = frame.like.bit_depth
        stored = _match_alpha(quantized(frame.rgb, frame.like, self._depth), alpha=self._frames.alpha)
        header, chunks, rest = encode_png(stored, frame.like.metadata)
        if first:
            self._file.write(header)
            self._control_at = self._file.tell()
            self._file.write(self._control() + chunks)
        if not frame.hidden:
            height, width = stored.shape[:2]
            control = struct.pack(">LLLLL", self._next_number(), width, height, 0, 0)
            control += struct.pack(">HHBB", *_as_fraction(frame.milliseconds), 0, 0)
            self._file.write(png_chunk(b"fcTL", control))
            self._shown += 1
        for body in (body for name, body in read_chunks(rest) if name == b"IDAT"):
            if first:
                self._file.write(png_chunk(b"IDAT", body))
            else:
                self._file.write(png_chunk(b"fdAT", struct.pack(">L", self._next_number()) + body))

    def finish(self) -> None:
        """Write the end, and the number of frames into the beginning."""
        self._file.write(png_chunk(b"IEND", b""))
        self._file.seek(self._control_at)
        self._file.write(self._control())

    def _control(self) -> bytes:
        return png_chunk(b"acTL", struct.pack(">LL", self._shown, self._frames.plays))

    def _next_number(self) -> int:
        self._sequence += 1
        return self._sequence - 1


class _AnimatedGif:
    """Writer of an animated GIF; each frame has its own palette."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        self._file, self._frames = file, frames
        self._waiting: tuple[Any, dict[str, Any]] | None = None  # its disposal depends on the next frame
        self._clears_at_end = False

    def add(self, frame: ColoredFrame) -> None:
        """Write the frame before, and keep this one."""
        stored = quantized(frame.rgb, frame.like, 8)
        opaque = stored.shape[2] == 3 or bool((stored[..., 3] >= 128).all())
        image, options = gif_image(stored[..., :3] if opaque else stored)
        if self._waiting is None:
            self._begin(stored, frame.like.metadata)
            self._clears_at_end = not opaque
        else:
            self._write(clear=not opaque)
        # the format holds hundredths of a second
        self._waiting = image, {**options, "duration": 10 * round(frame.milliseconds / 10)}

    def finish(self) -> None:
        """Write the last frame and the end."""
        self._write(clear=self._clears_at_end)
        self._file.write(b";")

    def _begin(self, stored: NDArray[Any], data: Metadata) -> None:
        height, width = stored.shape[:2]
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
        if self._frames.plays != 1:
            again = max(0, self._frames.plays - 1)
            self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", min(again, 65535)) + b"\0")
        if data.comment:
            blocks = [data.comment[i : i + 255] for i in range(0, len(data.comment), 255)]
            self._file.write(b"!\xfe" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0")

    def _write(self, *, clear: bool) -> None:
        assert self._waiting is not None  # a file has frames
        image, options = self._waiting
        disposal = _CLEAR if clear else _LEAVE
        for part in getdata(image, disposal=disposal, include_color_table=True, **options):
            self._file.write(part)


class _AnimatedWebp:
    """Writer of an animated WebP."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        self._file, self._frames, self._quality = file, frames, quality
        self._first: Picture | None = None

    def add(self, frame: ColoredFrame) -> None:
        stored = quantized(frame.rgb, frame.like, 8)
        height, width = stored.shape[:2]
        if self._first is None:
            self._first = frame.like
            self._begin(width, height, frame.like.metadata)
        lossless = Metadata(lossless=self._first.metadata.lossless)
        plain = Picture(frame.like.levels, frame.like.alpha, metadata=lossless)
        encoded = encode_by_pillow(stored, plain, "WEBP", self._quality)
        pixels = b"".join(
            _riff(name, body) for name, body in _webp_chunks(encoded) if name in (b"ALPH", b"VP8 ", b"VP8L")
        )
        place = bytes(6) + _three_bytes(width - 1) + _three_bytes(height - 1)
        replaces_all = b"\x02"
        duration = _three_bytes(min(round(frame.milliseconds), 2**24 - 1))
        self._file.write(_riff(b"ANMF", place + duration + replaces_all + pixels))

    def finish(self) -> None:
        """Write metadata, whose place is behind the frames, and the size into the beginning."""
        data = self._first.metadata if self._first else Metadata()
        for name, body in ((b"EXIF", data.exif), (b"XMP ", data.xmp)):
            if body:
                self._file.write(_riff(name, body))
        size = self._file.tell() - 8
        self._file.seek(4)
        self._file.write(struct.pack("<L", size))

    def _begin(self, width: int, height: int, data: Metadata) -> None:
        flags = 0x02 | (data.icc is not None) << 5 | self._frames.alpha << 4
        flags |= (data.exif is not None) << 3 | (data.xmp is not None) << 2
        self._file.write(b"RIFF\0\0\0\0WEBP")
        canvas = bytes([flags, 0, 0, 0]) + _three_bytes(width - 1) + _three_bytes(height - 1)
        self._file.write(_riff(b"VP8X", canvas))
        if data.icc:
            self._file.write(_riff(b"ICCP", data.icc))
        red, green, blue, alpha = self._frames.background
        plays = min(self._frames.plays, 65535)
        self._file.write(_riff(b"ANIM", struct.pack("<BBBBH", blue, green, red, alpha, plays)))


_WRITERS: dict[str, type[_TiffPages | _AnimatedPng | _AnimatedGif | _AnimatedWebp]] = {
    "TIFF": _TiffPages,
    "PNG": _AnimatedPng,
    "GIF": _AnimatedGif,
    "WEBP": _AnimatedWebp,
}


def _match_alpha(stored: NDArray[Any], *, alpha: bool) -> NDArray[Any]:
    """Add alpha to a frame without, as all frames of a PNG have the same channels."""
    if not alpha or stored.shape[2] == 4:
        return stored
    return np.dstack([stored, np.full(stored.shape[:2], np.iinfo(stored.dtype).max, stored.dtype)])


def _as_fraction(milliseconds: float) -> tuple[int, int]:
    """Return a duration as fraction of a second, numerator and denominator within 16 bits."""
    exact = Fraction(milliseconds / 1000).limit_denominator(10_000)
    if exact.numerator <= 65535:
        return exact.numerator, exact.denominator
    return min(round(milliseconds / 1000), 65535), 1


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<L", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    place, chunks = 12, []
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sL", data, place)
        chunks.append((name, data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return chunks


def _three_bytes(value: int) -> bytes:
    return value.to_bytes(3, "little")
