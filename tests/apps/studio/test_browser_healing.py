"""The healing brush in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from browser_pad import BrowserPad
from pads import pixels
from PIL import Image

from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model


@pytest.fixture
def dusty(tmp_path: Path) -> Path:
    levels = gray_image(160, 240).copy()
    levels[58:62, 60:120] = 255
    Image.fromarray(levels).save(tmp_path / "dusty.png")
    return tmp_path / "dusty.png"


@pytest.fixture
def healer(empty_pad: BrowserPad, dusty: Path) -> BrowserPad:
    empty_pad.open_ready(dusty)
    empty_pad.page.focus(".cz-stage")
    empty_pad.page.keyboard.press("j")
    empty_pad.next_frame()
    return empty_pad


@pytest.mark.browser
def test_healing_brush_removes_a_scratch_with_undo(healer: BrowserPad, dusty: Path, tmp_path: Path) -> None:
    before = dusty.read_bytes()
    for _ in range(8):
        healer.page.keyboard.press("]")
    healer.drag((56, 60), (124, 60))
    healer.settle()
    (stroke,) = healer.recipe()["healing"]
    assert stroke["width"] == pytest.approx(3.2 * 1.15**8, abs=0.3)  # 2 % of the shorter side at first
    assert stroke["path"][0] == pytest.approx([56, 60], abs=1)
    assert stroke["path"][-1] == pytest.approx([124, 60], abs=1)

    healer.page.click("[data-action=export]")
    target = tmp_path / "new.png"
    healer.download(lambda: healer.page.click("[data-action=export-now]"), target)
    recipe = tmp_path / "hints.json"
    recipe.write_text(json.dumps(healer.recipe()))
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    result = pixels(target.read_bytes()).astype(int)
    assert np.array_equal(result, np.asarray(colorizer(dusty, recipe)))
    plain = np.asarray(colorizer(dusty, {**healer.recipe(), "healing": []})).astype(int)
    assert (plain - result)[60, 62:118].mean() > 30
    assert dusty.read_bytes() == before

    healer.page.focus(".cz-stage")
    healer.page.keyboard.press("Control+z")
    healer.settle()
    assert "healing" not in healer.recipe()
    healer.page.keyboard.press("Control+y")
    healer.settle()
    assert healer.recipe()["healing"] == [stroke]
