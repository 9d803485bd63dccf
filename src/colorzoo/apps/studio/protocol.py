"""Messages between the drawing pad and the server, with error codes and limits.

``docs/studio_protocol.md`` describes the messages. This module does not import torch, because the server must
respond before torch is loaded.
"""

from __future__ import annotations

import json
import logging
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from colorzoo.errors import (
    ColorzooError,
    GuidanceError,
    ImageError,
    OtherImageError,
    RecipeVersionError,
    UnknownModelError,
    WeightsError,
)

if TYPE_CHECKING:
    from colorzoo.guidance.fields import Fields

_log = logging.getLogger(__name__)
_HEADER = struct.Struct("<I")
_NO_MODEL = "This coloring model cannot be used. Choose another coloring model."
_RECIPE_FIELD = re.compile(r"(recipe|border|crop|classes)\b")  # start of messages about a field of a recipe
_DAMAGED = "These edits are damaged. Choose “Load edits” and another file."
ERRORS: tuple[tuple[type[Exception], str, str], ...] = (  # error, code, and sentence before its message
    (ImageError, "bad_image", ""),
    (
        OtherImageError,
        "bad_recipe",
        "These edits belong to another photo. Open that photo, or choose “Load edits” and another file.",
    ),
    (RecipeVersionError, "bad_recipe", "These edits require a newer version of colorzoo."),
    (GuidanceError, "bad_recipe", ""),
    (UnknownModelError, "no_model", _NO_MODEL),
    (WeightsError, "no_model", _NO_MODEL),
    (ColorzooError, "unsupported", ""),
)

Reply = Callable[["Message"], None]


@dataclass(frozen=True)
class Limits:
    """Limits on the server resources that users can consume.

    Attributes:
        file_bytes: Maximum size of an image file.
        pixels: Maximum number of pixels of an image, checked before decoding.
        message_bytes: Maximum size of a message without an image.
        full_pixels: Maximum number of pixels of a full-size preview. Previews of larger photos are
            downscaled. Exports have the full size.
        view_side: Longer side of the standard preview in pixels.
        memory_bytes: Maximum memory of all photos and caches. Above this limit, the least recently used
            photos are removed.
        sessions: Maximum number of sessions.
        idle_seconds: Time after which an idle session expires. If a drawing pad is connected, only the photo
            of the session expires.
        upload_seconds: Maximum duration of an upload.
        uploads: Maximum number of simultaneous uploads of a session.
        queued: Maximum number of waiting requests of a session in each queue. One queue is for requests that
            run a model, the other queue for all other requests.
    """

    file_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    message_bytes: int = 4 * 2**20
    full_pixels: int = 16_000_000
    view_side: int = 1024
    memory_bytes: int = 2**30
    sessions: int = 64
    idle_seconds: float = 3600.0
    upload_seconds: float = 600.0
    uploads: int = 2
    queued: int = 8

    def check_bytes(self, count: int) -> None:
        """Check that a file does not exceed `file_bytes`.

        Raises:
            StudioError: The file is too large.
        """
        if count > self.file_bytes:
            megabytes = self.file_bytes / 2**20
            raise StudioError("too_large", f"the file exceeds the limit of {megabytes:.0f} MB")


class StudioError(ColorzooError):
    """Request error with a code for programs and a message for the user.

    Args:
        code: Error code from ``docs/studio_protocol.md``.
        message: One-line message for the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def describe_error(error: BaseException) -> tuple[str, str]:
    """Return the error code and the user message for an exception; log unexpected exceptions."""
    if isinstance(error, StudioError):
        return error.code, _sentence(str(error))
    if isinstance(error, MemoryError):
        return "too_large", "The server ran out of memory. Use a smaller image."
    for kind, code, sentence in ERRORS:
        if isinstance(error, kind):
            text = " ".join(str(error).split())
            # add a plain sentence before a message that names recipe fields or options
            if not sentence and code == "bad_recipe" and _RECIPE_FIELD.match(text):
                sentence = _DAMAGED
            if sentence:
                return code, f"{sentence} Details: {text}"
            return code, _sentence(text)
    _log.error("a drawing pad request failed", exc_info=error)
    return "internal", (
        "Something went wrong. Your edits are kept. Try again. If it happens again, restart colorzoo. "
        f"Details: {type(error).__name__}, see the messages of the server."
    )


def _sentence(text: str) -> str:
    """Capitalize a message, unless it starts with the name of a file, field or option."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ,]", text) else text


@dataclass(frozen=True)
class Message:
    """Message between the drawing pad and the server.

    Attributes:
        body: JSON object with at least the field ``type``.
        buffers: Binary parts of the message, such as images.
    """

    body: dict[str, Any]
    buffers: tuple[bytes, ...] = ()

    @property
    def type(self) -> str:
        """Type of the message."""
        return str(self.body.get("type", ""))

    @property
    def id(self) -> int | None:
        """Id of the request; None without a valid id."""
        value = self.body.get("id")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def fields(self) -> Fields:
        """Return a reader that validates the fields of the message."""
        from colorzoo.guidance.fields import Fields  # imports torch

        return Fields(self.body, self.type or "message")


def error_message(error: BaseException, re: int | None) -> Message:
    """Return a message that reports an error to the sender of the request with id ``re``."""
    code, text = describe_error(error)
    return Message({"type": "error", "re": re, "code": code, "message": text})


def pack(message: Message) -> str | bytes:
    """Encode a message as a WebSocket text frame, or as a binary frame if it has buffers."""
    if not message.buffers:
        return json.dumps(message.body, separators=(",", ":"))
    body = {**message.body, "buffers": [len(part) for part in message.buffers]}
    head = json.dumps(body, separators=(",", ":")).encode()
    return b"".join((_HEADER.pack(len(head)), head, *message.buffers))


def unpack(frame: str | bytes) -> Message:
    """Decode a WebSocket frame to a message.

    A text frame is the JSON object of the message. A binary frame consists of the length of the JSON object
    (little-endian uint32), the JSON object with the lengths of the buffers, and the buffers.

    Raises:
        StudioError: The frame is not a valid message.
    """
    if isinstance(frame, str):
        return Message(_parse_object(frame))
    if len(frame) < _HEADER.size:
        raise StudioError("bad_message", "a binary message must begin with the length of its JSON part")
    (json_length,) = _HEADER.unpack_from(frame)
    json_end = _HEADER.size + json_length
    if json_end > len(frame):
        raise StudioError("bad_message", "a binary message must contain the stated number of JSON bytes")
    body = _parse_object(frame[_HEADER.size : json_end])
    lengths = body.pop("buffers", [])
    is_valid = isinstance(lengths, list) and all(type(length) is int and length >= 0 for length in lengths)
    if not is_valid or json_end + sum(lengths) != len(frame):
        raise StudioError("bad_message", "the buffers of a message must have the stated lengths")
    offsets = accumulate(lengths, initial=json_end)
    return Message(body, tuple(frame[start:end] for start, end in pairwise(offsets)))


def _parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; reject NaN and Infinity, which browsers cannot parse."""
    try:
        body = json.loads(text, parse_float=_finite_float, parse_constant=_finite_float)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise StudioError("bad_message", "a message must be a JSON object")
    return body


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value
