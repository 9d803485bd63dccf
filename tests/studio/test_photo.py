"""Opening photos: limits, progress, cancellation, lightness maps."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from pads import DirectPad, open_at_once, photo_file, pixels, tiny_studio
from PIL import Image

from colorzoo.inference import full_size
from colorzoo.inference.full_size import FullLightness, shrink_lightness, working_size
from colorzoo.pictures.read import read_picture
from colorzoo.studio import photo
from colorzoo.studio.photo import read_upload
from colorzoo.studio.protocol import Limits


@pytest.fixture
def small_counts_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "LARGE", 1000)
    monkeypatch.setattr(full_size, "BAND_PIXELS", 96 * 16)


def color_file(width: int, height: int, kind: str = "PNG") -> bytes:
    levels = np.random.default_rng(0).integers(0, 255, (height // 20 + 1, width // 20 + 1, 3), dtype=np.uint8)
    memory = io.BytesIO()
    Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(memory, kind)
    return memory.getvalue()


def answers(pad: DirectPad, number: int) -> list[Any]:
    found = []
    while not found or found[-1].type == "progress":
        found.append(pad.next())
    assert {message.body["re"] for message in found} == {number}
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.usefixtures("small_counts_as_large")
def test_a_large_photo_has_a_preview_and_progress(pad: DirectPad, kind: str) -> None:
    found = answers(pad, pad.send("open", photo_file(96, 80, kind), name="old"))
    assert found[-1].type == "photo"
    glimpses = [message.buffers[0] for message in found[:-1] if message.buffers]
    assert [pixels(glimpse).shape for glimpse in glimpses] == [(80, 96)]
    assert found[0].buffers == (glimpses[0],)
    shares = [message.body["share"] for message in found[:-1]]
    assert shares == sorted(shares)
    assert len(shares) > 3
    assert 0 < shares[0] < shares[-1] < 1


@pytest.mark.usefixtures("small_counts_as_large")
def test_opening_can_be_cancelled(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    first = answers(pad, pad.send("open", photo_file(), name="old.png"))[-1].body

    def cancel_and_read(data: bytes, *options: Any) -> Any:
        pad.send("cancel", re=pad.count)
        return read_upload(data, *options)

    monkeypatch.setattr(photo, "read_upload", cancel_and_read)
    found = answers(pad, pad.send("open", photo_file(40, 30), name="other.png"))
    assert [message.body.get("code") for message in found] == ["cancelled"]
    assert pad.ask("color", recipe={"image": first["image"]}).type == "colored"  # the other photo stayed


def test_limits_are_checked_before_the_upload() -> None:
    studio = tiny_studio(Limits(pixels=10_000, file_bytes=5000))
    pad = DirectPad(studio)
    large = photo_file(101, 100)
    answer = pad.ask("examine", large[:200], name="large.png", bytes=3000)
    assert answer.body["code"] == "bad_picture"
    assert "101 x 100" in answer.body["message"]
    answer = pad.ask("examine", photo_file(8, 8)[:100], name="small.png", bytes=5001)
    assert answer.body["code"] == "too_large"
    answer = pad.ask("examine", photo_file(100, 99)[:200], name="fits.png", bytes=3000)
    assert (answer.body["width"], answer.body["height"]) == (100, 99)
    assert pad.ask("examine", b"what?", name="unknown", bytes=5).body["width"] is None
    studio.close()


def test_a_hundred_megapixels_are_accepted() -> None:
    assert Limits().pixels == 100_000_000


@pytest.mark.parametrize("size", [(96, 80), (300, 200), (701, 513), (1000, 40)])
def test_the_network_input_is_that_of_the_command_line(size: tuple[int, int]) -> None:
    for data in (photo_file(*size), color_file(*size)):
        opened = open_at_once(data, "old.png", Limits(view_side=100), 64)
        lightness = FullLightness(read_picture(data).levels)
        shape = working_size(size[1], size[0], 64)
        assert torch.equal(opened.network_lightness(64), lightness.shrunk(shape))
        view = shrink_lightness(lightness.whole(), tuple(opened.lightness.shape[2:]))
        assert (opened.lightness - view).abs().mean() < 3.0  # a part of a pixel of the view
        rough = opened.approximate_lightness(32) - lightness.shrunk(working_size(size[1], size[0], 32))
        assert rough.abs().mean() < 3.0
