"""Frames of the websocket and error messages."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorzoo.apps.studio.protocol import Message, StudioError, describe_error, error_message, pack, unpack
from colorzoo.errors import (
    ColorzooError,
    GuidanceError,
    OtherImageError,
    RecipeVersionError,
    UnknownModelError,
)
from colorzoo.guidance import PointHint, Recipe


@given(st.lists(st.binary(max_size=40), max_size=4), st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_pack_and_unpack_round_trip_messages(buffers: list[bytes], text: str) -> None:
    message = Message({"type": "color", "id": 3, "text": text}, tuple(buffers))
    frame = pack(message)
    assert isinstance(frame, str) == (not buffers)
    assert unpack(frame) == message


HEAD = json.dumps({"type": "open", "buffers": [3]}).encode()


def test_unpack_rejects_invalid_frames() -> None:
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


def test_error_message_hides_details_of_unexpected_errors() -> None:
    body = error_message(RuntimeError("/home/user/secret.py line 3"), 7).body
    assert (body["code"], body["re"]) == ("internal", 7)
    assert "secret" not in body["message"]


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (GuidanceError("recipe.points[3].x must be a number, got 'a'."), "These edits are damaged. "),
        (OtherImageError("recipe is for an image of 8 x 8 pixels"), "These edits belong to another photo. "),
        (
            RecipeVersionError("recipe.version must be at most 2. Install a newer version"),
            "These edits require ",
        ),
        (UnknownModelError("unknown model 'x'"), "This coloring model cannot be used. "),
    ],
)
def test_describe_error_begins_with_a_plain_sentence(error: ColorzooError, first: str) -> None:
    text = describe_error(error)[1]
    assert text.startswith(first)
    assert text.endswith(f"Details: {error}")


def test_recipe_raises_for_other_images_and_versions() -> None:
    with pytest.raises(RecipeVersionError, match=r"recipe\.version"):
        Recipe.from_json('{"version": 99}')
    with pytest.raises(OtherImageError, match="8 x 8"):
        Recipe(width=8, height=8).check_inside(9, 9)
    with pytest.raises(OtherImageError, match=r"points\[0\]"):
        Recipe(points=(PointHint(x=50, y=2, color="#c04020"),)).check_inside(9, 9)


def test_describe_error_keeps_plain_messages_without_details() -> None:
    assert describe_error(GuidanceError("the reference has no color."))[1] == "The reference has no color."
    assert describe_error(GuidanceError("suggest.x is missing."))[1] == "suggest.x is missing."
    for text in (
        "v.color.mp4 already exists",
        "clip_1 is missing",
        "--crf must be 1",
        "frames/a.png is damaged",
    ):
        assert describe_error(GuidanceError(text))[1] == text
        assert describe_error(StudioError("exists", text))[1] == text
    assert describe_error(MemoryError())[0] == "too_large"
