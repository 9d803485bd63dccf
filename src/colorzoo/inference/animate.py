"""Write frames one after the other: animated GIF, PNG and WebP, and TIFF of several pages.

Every frame is written whole, so that it needs nothing of those before it, and then forgotten: memory does not
grow with their number. (Pillow keeps all of them, and joins those that are alike.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.GifImagePlugin import getdata

from colorzoo.errors import PictureError
from colorzoo.inference.encode import TIFF_HEADER, gif_image, png_parts, quantized, still, tiff_page
from colorzoo.inference.frames import Frames
from colorzoo.inference.metadata import Metadata
from colorzoo.inference.picture import Levels, Picture
from colorzoo.inference.png import png_chunk

_LARGEST_TIFF = 2**32 - 2**16
_LEAVE, _CLEAR = 1, 2


@dataclass(frozen=True)
class ColoredFrame:
    """A frame in color.

    Attributes:
        rgb: (H, W, 3) sRGB: uint8, uint16, or float in [0, 1].
        like: The frame that was colored, for depth, alpha and metadata.
        milliseconds: How long it is shown.
        hidden: See `colorzoo.inference.frames.Frame`.
    """

    rgb: Levels
    like: Picture
    milliseconds: float = 0
    hidden: bool = False


class FrameWriter(Protocol):
    """Writes the frames of a file, which is given to its constructor, as what is known of all of them."""

    def add(self, frame: ColoredFrame) -> None:
        """Write the next frame."""

    def finish(self) -> None:
        """Write what comes behind the last one."""


class TiffPages:
    """A TIFF of several pages, each with metadata of its own."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        del frames, quality
        self._file, self._link = file, 4  # where the place of the next directory is to be written
        file.write(TIFF_HEADER)

    def add(self, frame: ColoredFrame) -> None:
        """Write the next page; a frame that is hidden is left out.

        Raises:
            PictureError: The file would pass 4 GB.
        """
        if frame.hidden:
            return
        place = self._file.seek(0, 2)
        if place % 2:
            place += self._file.write(b"\0")
        like = frame.like
        stored = quantized(frame.rgb, like, 16 if like.bit_depth == 16 else 8)
        directory, strip = tiff_page(stored, like.metadata, place)
        if place + len(directory) + len(strip) > _LARGEST_TIFF:
            raise PictureError("all pages together are more than a TIFF can hold (4 GB); give --frames first")
        self._file.write(directory)
        self._file.write(strip)
        self._file.seek(self._link)
        self._file.write(struct.pack("<L", place))
        (entries,) = struct.unpack_from("<H", directory)
        self._link = place + 2 + 12 * entries

    def finish(self) -> None:
        """Nothing comes behind the last page."""


class AnimatedPng:
    """An animated PNG, of 8 or 16 bits as its first frame."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        del quality
        self._file, self._frames = file, frames
        self._depth, self._parts, self._shown = 8, 0, 0
        self._count_at = 0

    def add(self, frame: ColoredFrame) -> None:
        """Write the next frame."""
        first = self._count_at == 0
        if first:
            self._depth = frame.like.bit_depth
        stored = _same_alpha(quantized(frame.rgb, frame.like, self._depth), alpha=self._frames.alpha)
        header, chunks, rest = png_parts(stored, frame.like.metadata)
        if first:
            self._file.write(header)
            self._count_at = self._file.tell()
            self._file.write(self._control() + chunks)
        if not frame.hidden:
            height, width = stored.shape[:2]
            shown = struct.pack(">LLLLL", self._next(), width, height, 0, 0)
            self._file.write(
                png_chunk(b"fcTL", shown + struct.pack(">HHBB", *_delay(frame.milliseconds), 0, 0))
            )
            self._shown += 1
        for body in _bodies(rest):
            if first:
                self._file.write(png_chunk(b"IDAT", body))
            else:
                self._file.write(png_chunk(b"fdAT", struct.pack(">L", self._next()) + body))

    def finish(self) -> None:
        """Write the end, and how many frames there are into the beginning."""
        self._file.write(png_chunk(b"IEND", b""))
        self._file.seek(self._count_at)
        self._file.write(self._control())

    def _control(self) -> bytes:
        return png_chunk(b"acTL", struct.pack(">LL", self._shown, self._frames.plays))

    def _next(self) -> int:
        self._parts += 1
        return self._parts - 1


class AnimatedGif:
    """An animated GIF; each frame has colors of its own."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        del quality
        self._file, self._frames = file, frames
        self._waiting: tuple[Any, dict[str, Any]] | None = None  # whether to clear a frame is up to the next
        self._clears_at_end = False

    def add(self, frame: ColoredFrame) -> None:
        """Write the frame before, and keep this one; one that is hidden is left out."""
        if frame.hidden:
            return
        stored = quantized(frame.rgb, frame.like, 8)
        opaque = stored.shape[2] == 3 or bool((stored[..., 3] >= 128).all())
        image, options = gif_image(stored[..., :3] if opaque else stored)
        if self._waiting is None:
            self._begin(stored, frame.like.metadata)
            self._clears_at_end = not opaque
        else:
            self._write(clear=not opaque)
        # hundredths of a second are what the format holds
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


class AnimatedWebp:
    """An animated WebP."""

    def __init__(self, file: IO[bytes], frames: Frames, quality: int) -> None:
        self._file, self._frames, self._quality = file, frames, quality
        self._like: Picture | None = None

    def add(self, frame: ColoredFrame) -> None:
        """Write the next frame; one that is hidden is left out."""
        if frame.hidden:
            return
        stored = quantized(frame.rgb, frame.like, 8)
        height, width = stored.shape[:2]
        if self._like is None:
            self._like = frame.like
            self._begin(width, height, frame.like.metadata)
        plain = Picture(
            frame.like.levels, frame.like.alpha, metadata=Metadata(lossless=self._like.metadata.lossless)
        )
        pixels = b"".join(
            _riff(name, body)
            for name, body in _webp_chunks(still(stored, plain, "WEBP", self._quality))
            if name in (b"ALPH", b"VP8 ", b"VP8L")
        )
        place = bytes(6) + _three(width - 1) + _three(height - 1)
        shown = _three(min(round(frame.milliseconds), 2**24 - 1)) + b"\x02"  # it replaces what was there
        self._file.write(_riff(b"ANMF", place + shown + pixels))

    def finish(self) -> None:
        """Write metadata behind the frames, where the format wants it, and the size into the beginning."""
        data = self._like.metadata if self._like else Metadata()
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
        canvas = bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1)
        self._file.write(_riff(b"VP8X", canvas))
        if data.icc:
            self._file.write(_riff(b"ICCP", data.icc))
        red, green, blue, alpha = self._frames.background
        plays = min(self._frames.plays, 65535)
        self._file.write(_riff(b"ANIM", struct.pack("<BBBBH", blue, green, red, alpha, plays)))


WRITERS: dict[str, type[TiffPages | AnimatedPng | AnimatedGif | AnimatedWebp]] = {
    "TIFF": TiffPages,
    "PNG": AnimatedPng,
    "GIF": AnimatedGif,
    "WEBP": AnimatedWebp,
}
"""Formats that hold several pictures."""


def _same_alpha(stored: NDArray[Any], *, alpha: bool) -> NDArray[Any]:
    """Return a picture with alpha or without, as all frames of a PNG must be alike."""
    if stored.shape[2] == (4 if alpha else 3):
        return stored
    if not alpha:
        return np.ascontiguousarray(stored[..., :3])
    return np.dstack([stored, np.full(stored.shape[:2], np.iinfo(stored.dtype).max, stored.dtype)])


def _delay(milliseconds: float) -> tuple[int, int]:
    """Return the fraction of a second, each side within 16 bits."""
    exact = Fraction(milliseconds / 1000).limit_denominator(10_000)
    if exact.numerator <= 65535:
        return exact.numerator, exact.denominator
    return min(round(milliseconds / 1000), 65535), 1


def _bodies(rest: bytes) -> list[bytes]:
    """Return the compressed pixels, chunk by chunk, of the end of a PNG."""
    place, bodies = 0, []
    while place + 8 <= len(rest):
        length, name = struct.unpack_from(">L4s", rest, place)
        if name == b"IDAT":
            bodies.append(rest[place + 8 : place + 8 + length])
        place += 12 + length
    return bodies


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<L", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    place, chunks = 12, []
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sL", data, place)
        chunks.append((name, data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return chunks


def _three(value: int) -> bytes:
    return value.to_bytes(3, "little")
