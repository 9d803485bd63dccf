"""Opening of images: cancellation, classification and lightness maps."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import torch
from pads import DirectPad, image_file, photo_file, pixels

from colorzoo.apps.studio import opened_image
from colorzoo.apps.studio.opened_image import lightness_around, open_upload, read_upload
from colorzoo.apps.studio.protocol import Limits
from colorzoo.image_io.read import read_image
from colorzoo.inference.full_size import FullLightness, shrink_lightness, working_size
from inference.pages import text
from tiny_model import gray_image


def color_file(width: int, height: int) -> bytes:
    levels = np.random.default_rng(0).integers(0, 255, (height // 20 + 1, width // 20 + 1, 3), dtype=np.uint8)
    return image_file(cv2.resize(levels, (width, height), interpolation=cv2.INTER_CUBIC))


def test_cancel_stops_opening_and_keeps_first_image(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pad.open()

    def cancel_and_read(data: bytes, *options: Any) -> Any:
        pad.send("cancel", re=pad.count)
        return read_upload(data, *options)

    monkeypatch.setattr(opened_image, "read_upload", cancel_and_read)
    number = pad.send("open", photo_file(40, 30), name="other.png")
    reply = pad.next().body
    assert (reply["re"], reply["code"]) == (number, "cancelled")
    assert pad.call("color", recipe={"image": first["image"]}).type == "colored"  # the first image is kept


@pytest.mark.parametrize("size", [(96, 80), (300, 200), (701, 513), (1000, 40)])
def test_opened_image_network_lightness_matches_the_command_line(size: tuple[int, int]) -> None:
    for data in (photo_file(*size), color_file(*size)):
        opened = open_upload(data, "old.png", Limits(view_side=100), 64)
        lightness = FullLightness(read_image(data).levels)
        shape = working_size(size[1], size[0], 64)
        assert torch.equal(opened.network_lightness(64), lightness.shrunk(shape))
        view = shrink_lightness(lightness.whole(), tuple(opened.lightness.shape[2:]))
        assert (opened.lightness - view).abs().mean() < 3.0  # shift of less than one preview pixel
        rough = opened.approximate_lightness(32) - lightness.shrunk(working_size(size[1], size[0], 32))
        assert rough.abs().mean() < 3.0


def drawing() -> np.ndarray:
    levels = np.full((60, 80), 255, np.uint8)
    levels[10:50, 12:62] = 0
    levels[12:48, 14:60] = 255
    return levels


IN_COLOR = ("the colors of this photo are ignored; “Before” shows them",)
TINTED = ("the tint of the paper is ignored; “Before” shows it",)
PAPER = np.array([1.0, 0.93, 0.8])


def test_open_upload_classifies_sketch_gray_and_color_images() -> None:
    for rgb, kind, notes in [
        (drawing(), "sketch", ()),
        ((drawing()[..., None] * PAPER).astype(np.uint8), "sketch", TINTED),
        (gray_image(60, 80), "gray", ()),
        (np.asarray(text(240, 30, 14, 8)), "gray", ()),
        ((gray_image(60, 80)[..., None] * PAPER).astype(np.uint8), "color", TINTED),
        (pixels(color_file(80, 60)), "color", IN_COLOR),
    ]:
        opened = open_upload(image_file(rgb), "old.png", Limits(), 64)
        assert (opened.kind, opened.notes) == (kind, notes)
        assert (opened.source == opened.gray) == (rgb.ndim == 2)


def two_textures() -> torch.Tensor:
    """Return a lightness map ``(h, w)`` with halves of about 20 and 80, and white and black specks."""
    chance = torch.Generator().manual_seed(0)
    lightness = torch.full((300, 320), 80.0)
    lightness[:, :160] = 20.0
    lightness += torch.randn(lightness.shape, generator=chance)
    specks = torch.rand(lightness.shape, generator=chance)
    lightness[specks < 0.1], lightness[specks > 0.9] = 100.0, 0.0
    return lightness


PLACES = [(row, column) for row in (0, 7, 150, 299) for column in (0, 40, 155, 159, 160, 164, 250, 319)]


def test_lightness_around_returns_the_lightness_of_the_surrounding_object() -> None:
    lightness = two_textures()
    assert min(float(lightness[place]) for place in PLACES) == 0.0  # some places are on specks
    for row, column in PLACES:
        expected = 20 if column < 160 else 80
        assert lightness_around(lightness, row, column) == pytest.approx(expected, abs=2)


@pytest.mark.skipif(shutil.which("node") is None, reason="missing, not passed: node is not installed")
def test_surroundings_js_matches_lightness_around(tmp_path: Path) -> None:
    lightness = two_textures()
    (tmp_path / "map.json").write_text(json.dumps(lightness.flatten().tolist()))
    module = (Path(str(files("colorzoo.apps.studio"))) / "static" / "js" / "surroundings.js").as_uri()
    script = f"""
        const {{ readFileSync }} = await import("node:fs");
        const {{ lightnessAround }} = await import("{module}");
        const map = JSON.parse(readFileSync({json.dumps(str(tmp_path / "map.json"))}));
        const size = {list(lightness.shape)};
        const at = ([row, column]) => lightnessAround((index) => map[index], size, row, column);
        console.log(JSON.stringify({json.dumps(PLACES)}.map(at)));
    """
    command = ["node", "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found == pytest.approx([lightness_around(lightness, *place) for place in PLACES])


@pytest.mark.parametrize("scale", [1, 257])
def test_opened_image_alpha_has_8_bits_and_preview_size(scale: int) -> None:
    levels = np.full((80, 120, 4), 100 * scale, (np.uint8, np.uint16)[scale > 1])
    levels[:, 60:, 3] = 200 * scale
    opened = open_upload(imagecodecs.png_encode(levels), "cut.png", Limits(view_side=60), 64)
    assert np.array_equal(pixels(opened.alpha), np.repeat([[100, 200]], 40, axis=0).repeat(30, axis=1))


def test_transparent_line_art_is_composited_on_white_paper() -> None:
    cover = np.zeros((96, 128), np.uint8)
    cover[10:80, 20:23] = cover[40:43, 20:100] = 255  # open lines
    ink = np.dstack([np.zeros((96, 128, 3), np.uint8), cover])
    opened = open_upload(image_file(ink), "ink.png", Limits(), 64)
    assert (opened.kind, opened.alpha) == ("sketch", b"")
    assert pixels(opened.gray).mean() > 200
    assert float(opened.lightness.mean()) < 0.01  # input of models for photos
    paper = opened.on_paper()
    assert paper.on_paper() is opened.on_paper()
    assert float(paper.network_lightness(64).mean()) > 80
    assert paper.decode().alpha is None
