"""Access to video files with PyAV."""

from __future__ import annotations

import importlib
import os
import re
from fractions import Fraction
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import ColorzooError

BT709, SMPTE170M = 1, 6  # code points of color matrices in ITU-T H.273
_UNSPECIFIED = 2
_HD_HEIGHT = 720  # players decode untagged video with BT.709 if it has at least this height
_DEFAULT_RATE = Fraction(25)
_MOST_RATE = 240  # frames per second; a higher guess can be the rate of the clock
_STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegxl"})


def import_av() -> Any:
    """Import PyAV.

    Raises:
        ColorzooError: PyAV is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise ColorzooError(
            f'video files require PyAV ({error}). Run `python -m pip install "colorzoo[video]"`.'
        ) from error


def open_media(path: str | Path, mode: str = "r", **options: Any) -> Any:
    """Open a video file with PyAV.

    Args:
        path: Path of the file.
        mode: ``"r"`` or ``"w"``.
        **options: Keyword arguments of ``av.open``.

    Raises:
        ColorzooError: PyAV is not installed.
        av.FFmpegError: The file cannot be opened.
    """
    if mode == "r":  # XMP of MP4 and QuickTime, as a tag
        options.setdefault("options", {"export_xmp": "1"})
    # without a prefix, FFmpeg uses the text before a colon in the name as a protocol
    return import_av().open(f"file:{os.fspath(path)}", mode, **options)


def main_video_stream(container: Any) -> Any:
    """Return the main video stream of a PyAV container; None if the file has no video stream.

    Cover art and thumbnails are excluded. The criteria, most important first, are: a video codec instead of
    a still image codec, the default stream, the largest frame size, and the first position in the file.
    """

    def rank(stream: Any) -> tuple[bool, bool, int]:
        context = stream.codec_context
        is_default = bool(stream.disposition & type(stream.disposition).default)
        return context.name not in _STILL_CODECS, is_default, context.width * context.height

    streams = [stream for stream in container.streams.video if stream.codec_context and not is_still(stream)]
    return max(streams, key=rank, default=None)


def is_still(stream: Any) -> bool:
    """Return whether a stream contains cover art, a still image or thumbnails."""
    kind = type(stream.disposition)
    return bool(stream.disposition & (kind.attached_pic | kind.timed_thumbnails | kind.still_image))


def frame_rate(stream: Any) -> Fraction:
    """Return the number of frames per second of a video stream, at most one frame per unit of the time base.

    The mean rate comes from the file header, and it is wrong in raw DV (60,000) and in many FLV files. FFmpeg
    guesses the rate from timestamps; for irregular timestamps, the guess is the rate of the clock.
    """
    guess, mean = stream.guessed_rate, stream.average_rate
    if not guess or (mean and guess > max(mean, _MOST_RATE)):
        guess = mean
    return min(guess or _DEFAULT_RATE, 1 / stream.time_base)


def declared_durations(container: Any, stream: Any) -> tuple[Fraction, Fraction]:
    """Return the durations that a file declares for a stream and for the longest stream, in seconds.

    Unknown durations are 0. Matroska, FLV and ASF files declare the duration of their longest stream. FFmpeg
    estimates the duration of elementary streams from the bit rate.
    """
    name, flags = container.format.name, import_av().format.Flags
    if flags.no_timestamps in flags(container.format.flags):
        return Fraction(0), Fraction(0)
    if stream.duration and name != "asf":
        # FFmpeg reduces the duration of a truncated AVI, whose header has the number of frames
        return max(stream.duration, stream.frames * (name == "avi")) * stream.time_base, Fraction(0)
    start = stream.time_base * (stream.start_time or 0)
    own = Fraction(0)
    for key, text in stream.metadata.items():  # the end of the stream in a Matroska file
        if key.startswith("DURATION") and (match := re.fullmatch(r"(\d+):(\d\d):([\d.]+)", text)):
            own = sum(map(mul, (3600, 60, 1), map(Fraction, match.groups())), -start)
    end = Fraction(container.duration or 0, 1_000_000)
    # some writers of FLV store the duration instead of the end
    return own, end - (0 if name == "flv" and 2 * start > end else start)


def side_data_of(frame: Any) -> list[tuple[str, bytes]]:
    """Return the types and the bytes of the side data of a frame, such as HDR metadata.

    The result is one entry with the type ``UNKNOWN`` if PyAV does not support one of the types.
    """
    try:  # by index, because iteration returns entries in PyAV 18 and types in PyAV 19
        found = frame.side_data
        return [(found[index].type.name, bytes(found[index])) for index in range(len(found))]
    except ValueError:
        return [("UNKNOWN", b"?")]


def default_color_matrix(height: int) -> int:
    """Return the color matrix that players use for video without color matrix metadata.

    The result is a code of ITU-T H.273: BT.709 for a frame height of at least 720 pixels, else SMPTE 170M.

    Args:
        height: Frame height in pixels.
    """
    return BT709 if height >= _HD_HEIGHT else SMPTE170M


def frame_to_rgb(frame: Any) -> NDArray[np.uint8]:
    """Convert a PyAV frame to 8-bit RGB ``(H, W, 3)``.

    The conversion uses the value range (limited or full) and the color matrix that the frame declares. If the
    frame declares no color matrix, the result of `default_color_matrix` is used.
    """
    matrix = default_color_matrix(frame.height) if frame.colorspace == _UNSPECIFIED else frame.colorspace
    # FFmpeg converts big-endian RGB of 15 and 16 bits incorrectly to packed RGB, and it sometimes leaves the
    # last columns of planar RGB uninitialized if the width is not a multiple of 16
    name = "gbrp" if frame.format.is_big_endian else "rgb24"
    return frame.to_ndarray(format=name, src_colorspace=matrix, threads=1)
