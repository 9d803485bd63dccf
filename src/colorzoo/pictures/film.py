"""Open video files and choose the stream that holds the film."""

from __future__ import annotations

import importlib
from typing import Any

from colorzoo.errors import ColorzooError

_STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegxl"})


def load_av() -> Any:
    """Import PyAV.

    Raises:
        ColorzooError: PyAV is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise ColorzooError(
            f'video files need PyAV ({error}); install it with: pip install "colorzoo[video]"'
        ) from error


def film_stream(container: Any) -> Any:
    """Return the video stream of a PyAV container that holds the film; None if there is none.

    Cover art and thumbnails are never the film. Among several streams, a video codec is preferred to a codec
    of still images, then the default stream, then the largest frame, then the first stream.
    """

    def rank(stream: Any) -> tuple[bool, bool, int]:
        context = stream.codec_context
        is_default = bool(stream.disposition & type(stream.disposition).default)
        return context.name not in _STILL_CODECS, is_default, context.width * context.height

    films = [stream for stream in container.streams.video if stream.codec_context and not is_still(stream)]
    return max(films, key=rank, default=None)


def is_still(stream: Any) -> bool:
    """Return whether a stream is cover art, a still image or a track of thumbnails."""
    kind = type(stream.disposition)
    return bool(stream.disposition & (kind.attached_pic | kind.timed_thumbnails | kind.still_image))
