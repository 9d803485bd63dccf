"""Messages of the pad: a JSON object and binary buffers, and their form as frames of a websocket."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from colorzoo.studio.errors import StudioError, describe

if TYPE_CHECKING:
    from colorzoo.guidance.fields import Fields

_HEADER = struct.Struct("<I")

Reply = Callable[["Message"], None]


@dataclass(frozen=True)
class Message:
    """One message in either direction.

    Attributes:
        body: The JSON object, with at least ``type``.
        buffers: Binary parts.
    """

    body: dict[str, Any]
    buffers: tuple[bytes, ...] = ()

    @property
    def type(self) -> str:
        """What kind of message this is."""
        return str(self.body.get("type", ""))

    @property
    def id(self) -> int | None:
        """Number of a request, or None if it has no usable one."""
        value = self.body.get("id")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def fields(self) -> Fields:
        """Return the fields, to be read with errors that name them."""
        from colorzoo.guidance.fields import Fields  # brings torch, and the server answers before that

        return Fields(self.body, self.type or "message")


def pack(message: Message) -> str | bytes:
    """Return a message as a text frame, or as a binary frame if it has buffers."""
    if not message.buffers:
        return json.dumps(message.body, separators=(",", ":"))
    body = {**message.body, "buffers": [len(part) for part in message.buffers]}
    head = json.dumps(body, separators=(",", ":")).encode()
    return b"".join((_HEADER.pack(len(head)), head, *message.buffers))


def unpack(frame: str | bytes) -> Message:
    """Read a frame.

    Raises:
        StudioError: It is no message.
    """
    if isinstance(frame, str):
        return Message(parse_object(frame))
    if len(frame) < _HEADER.size:
        raise StudioError("bad_message", "a binary message begins with the length of its JSON.")
    (length,) = _HEADER.unpack_from(frame)
    start = _HEADER.size + length
    if start > len(frame):
        raise StudioError("bad_message", "a binary message is shorter than it says.")
    body = parse_object(frame[_HEADER.size : start])
    return Message(body, _cut(frame, start, body.pop("buffers", [])))


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        StudioError: It is none.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):  # absurd nesting, broken UTF-8, absurd numbers
        raise StudioError("bad_message", "a message must be a JSON object.") from None
    if not isinstance(body, dict):
        raise StudioError("bad_message", f"a message must be a JSON object, got {type(body).__name__}.")
    return body


def failure(error: BaseException, re: int | None) -> Message:
    """Return the message that tells of an error."""
    code, text = describe(error)
    return Message({"type": "error", "re": re, "code": code, "message": text})


def _cut(frame: bytes, start: int, lengths: Any) -> tuple[bytes, ...]:
    usable = isinstance(lengths, list) and all(type(length) is int and length >= 0 for length in lengths)
    if not usable or start + sum(lengths) != len(frame):
        raise StudioError("bad_message", "the buffers of a message do not have the lengths it states.")
    ends = list(accumulate(lengths, initial=start))
    return tuple(frame[first:last] for first, last in pairwise(ends))
