"""The crop tool in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad
from pads import pixels
from PIL import Image

from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model

PANEL = "section[aria-label='Straighten and crop']"


@pytest.fixture
def crooked(tmp_path: Path) -> Path:
    Image.fromarray(gray_image(160, 240)).save(tmp_path / "crooked.png")
    return tmp_path / "crooked.png"


@pytest.fixture
def cropper(empty_pad: BrowserPad, crooked: Path) -> BrowserPad:
    empty_pad.open_ready(crooked)
    empty_pad.page.focus(".cz-stage")
    empty_pad.page.keyboard.press("c")
    empty_pad.next_frame()
    return empty_pad


def crop_of(pad: BrowserPad) -> dict[str, Any] | None:
    return pad.recipe().get("crop")


def press(pad: BrowserPad, *keys: str) -> None:
    pad.page.focus(".cz-stage")
    for key in keys:
        pad.page.keyboard.press(key)
    pad.settle()


def export(pad: BrowserPad, target: Path) -> np.ndarray:
    pad.page.click("[data-action=export]")
    pad.download(lambda: pad.page.click("[data-action=export-now]"), target)
    return pixels(target.read_bytes())


@pytest.mark.browser
def test_crop_is_dragged_confirmed_exported_and_undone(
    cropper: BrowserPad, crooked: Path, tmp_path: Path
) -> None:
    before = crooked.read_bytes()
    cropper.drag((0, 0), (40, 30))
    cropper.drag((240, 95), (210, 95))
    cropper.drag((120, 160), (120, 150))
    assert crop_of(cropper) is None  # not confirmed yet
    press(cropper, "Enter")
    crop = crop_of(cropper)
    assert crop is not None
    assert [crop[name] for name in ("x", "y", "width", "height")] == pytest.approx([40, 30, 170, 120], abs=1)
    assert not cropper.page.is_visible(PANEL)

    result = export(cropper, tmp_path / "new.png")
    recipe = tmp_path / "crooked.recipe.json"
    recipe.write_text(json.dumps(cropper.recipe()))
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    assert result.shape == (crop["height"], crop["width"], 3)
    assert np.array_equal(result, np.asarray(colorizer(crooked, recipe)))
    assert crooked.read_bytes() == before

    press(cropper, "Control+z")
    assert crop_of(cropper) is None
    press(cropper, "Control+y")
    assert crop_of(cropper) == crop
    press(cropper, "c")
    cropper.page.click("[data-action=clear-crop]")
    cropper.settle()
    assert crop_of(cropper) is None


@pytest.mark.nightly
@pytest.mark.browser
def test_tool_change_and_export_confirm_the_crop(cropper: BrowserPad, tmp_path: Path) -> None:
    cropper.drag((0, 0), (60, 40))
    press(cropper, "p")
    crop = crop_of(cropper)
    assert crop is not None
    assert crop["x"] == pytest.approx(60, abs=1)
    press(cropper, "c")
    cropper.drag((60, 40), (100, 80))
    result = export(cropper, tmp_path / "new.png")
    assert result.shape[:2] == pytest.approx((80, 140), abs=1)
