"""Frames of the websocket and error messages."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorzoo.studio.protocol import Message, StudioError, error_message, pack, unpack


@given(st.lists(st.binary(max_size=40), max_size=4), st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_messages_are_packed_and_unpacked(buffers: list[bytes], text: str) -> None:
    message = Message({"type": "color", "id": 3, "text": text}, tuple(buffers))
    frame = pack(message)
    assert isinstance(frame, str) == (not buffers)
    assert unpack(frame) == message


HEAD = json.dumps({"type": "open", "buffers": [3]}).encode()


def test_invalid_frames_are_refused() -> None:
    for frame in [
        "",
        "[]",
        "null",
        "{",
        "[" * 100_000,
        '{"a": NaN}',
        '{"a": 1e999}',
        b"",
        b"\1\2",
        struct.pack("<I", 10**9) + b"{}",
        struct.pack("<I", len(HEAD)) + HEAD + b"four",
        struct.pack("<I", len(HEAD)) + HEAD.replace(b"[3]", b"[-3]"),
        struct.pack("<I", 4) + b"\xff\xfe{}",
        struct.pack("<I", len(HEAD)) + HEAD.replace(b"[3]", b'"3"') + b"abc",
    ]:
        with pytest.raises(StudioError) as caught:
            unpack(frame)
        assert caught.value.code == "bad_message"


def test_unexpected_errors_reveal_no_details() -> None:
    body = error_message(RuntimeError("/home/user/secret.py line 3"), 7).body
    assert (body["code"], body["re"]) == ("internal", 7)
    assert "secret" not in body["message"]
