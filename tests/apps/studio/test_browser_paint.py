"""The paint brush in a real browser and in exported layers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from browser_pad import BrowserPad
from pads import DirectPad, photo_file, pixels
from PIL import Image

from colorzoo.inference.colorizer import Colorizer
from tiny_model import tiny_model

LINE = {"path": [[20, 40], [70, 40]], "size": 16, "hardness": 0.8, "opacity": 1, "color": "#c04020"}


@pytest.fixture
def painter(photo_pad: BrowserPad) -> BrowserPad:
    photo_pad.page.focus(".cz-stage")
    photo_pad.page.keyboard.press("Shift+B")
    photo_pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#3060b0")
    photo_pad.page.keyboard.press("Enter")
    photo_pad.next_frame()
    return photo_pad


@pytest.mark.browser
def test_paint_brush_changes_only_its_stroke_and_can_be_erased(
    painter: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    painter.drag((40, 30), (120, 30))
    painter.settle()
    (stroke,) = painter.recipe()["paint"]
    assert stroke["color"] == "#3060b0"
    assert stroke["reach"] == 0.4  # the stroke stops at edges
    assert stroke["path"][0] == pytest.approx([40, 30], abs=1)
    assert stroke["path"][-1] == pytest.approx([120, 30], abs=1)
    painter.page.keyboard.press("Shift+B")  # pressed again: the paint eraser
    painter.drag((70, 30), (90, 30))
    painter.settle()
    assert painter.recipe()["paint"][1]["erase"] is True
    assert "reach" not in painter.recipe()["paint"][1]

    painter.page.click("[data-action=export]")
    result = pixels(
        painter.download(
            lambda: painter.page.click("[data-action=export-now]"), tmp_path / "new.png"
        ).read_bytes()
    ).astype(int)
    recipe = tmp_path / "hints.json"
    recipe.write_text(json.dumps(painter.recipe()))
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    assert np.array_equal(result, np.asarray(colorizer(photo, recipe)))
    plain = np.asarray(colorizer(photo, {**painter.recipe(), "paint": []})).astype(int)
    assert np.abs(result - plain)[30, 45:60].max(axis=1).min() > 20
    assert np.abs(result - plain)[30, 75:85].max() <= 2
    assert np.array_equal(result[60:], plain[60:])

    painter.page.keyboard.press("Control+z")
    painter.page.keyboard.press("Control+z")
    painter.settle()
    assert "paint" not in painter.recipe()


# synthetic events, because Chromium cannot emulate a pen; they have no capture
POINTERS = """(events) => {
  const stage = document.querySelector(".cz-stage");
  stage.setPointerCapture = () => {};
  for (const [type, kind, id, [clientX, clientY]] of events) {
    const fields = { clientX, clientY, button: type === "move" ? -1 : 0, bubbles: true };
    stage.dispatchEvent(new PointerEvent(`pointer${type}`, { pointerId: id, pointerType: kind, ...fields }));
  }
}"""


def touch(pad: BrowserPad, *events: tuple[str, str, int, tuple[float, float]]) -> None:
    pad.page.evaluate(POINTERS, [[*event[:3], pad.place(*event[3])] for event in events])
    pad.next_frame()


@pytest.mark.browser
@pytest.mark.parametrize("palm_first", [True, False])
@pytest.mark.parametrize("end", ["up", "cancel"])
def test_palm_does_not_disturb_a_pen_stroke(painter: BrowserPad, palm_first: bool, end: str) -> None:
    palm = ("down", "touch", 2, (150, 140))
    pen = [("down", "pen", 1, (40, 30)), ("move", "pen", 1, (80, 30)), ("move", "pen", 1, (120, 30))]
    pen.insert(0 if palm_first else 2, palm)
    origin = painter.place(0, 0)
    touch(painter, *pen, ("move", "touch", 2, (170, 100)), (end, "touch", 2, (170, 100)))
    soon = [("down", "touch", 3, (50, 140)), ("up", "touch", 3, (50, 140))]  # shortly after the pen
    touch(painter, ("move", "pen", 1, (160, 30)), ("up", "pen", 1, (160, 30)), *soon)
    painter.settle()
    (stroke,) = painter.recipe()["paint"]
    assert stroke["path"][0] == pytest.approx([40, 30], abs=1)
    assert stroke["path"][-1] == pytest.approx([160, 30], abs=1)
    assert painter.place(0, 0) == origin
    painter.page.wait_for_timeout(500)
    touch(painter, ("down", "touch", 4, (20, 60)), ("move", "touch", 4, (60, 60)))
    touch(painter, ("up", "touch", 4, (60, 60)))
    assert len(painter.recipe()["paint"]) == 2
    fingers = [("down", "touch", 5, (100, 80)), ("down", "touch", 6, (140, 80))]
    touch(painter, *fingers, ("move", "touch", 6, (200, 80)), *(("up", *each[1:]) for each in fingers))
    assert painter.place(0, 0) != origin
    painter.settle()


def test_ora_export_stores_paint_in_a_separate_layer(pad: DirectPad) -> None:
    photo = pad.open(photo_file(96, 80))
    pack = zipfile.ZipFile(io.BytesIO(pad.export({"image": photo["image"], "paint": [LINE]}, "ora")))
    layers = [each.attrib for each in ElementTree.fromstring(pack.read("stack.xml")).iter("layer")]
    assert [layer["name"] for layer in layers] == ["Paint", "Colors", "Photo"]
    paint, colors, gray = (pixels(pack.read(layer["src"])) for layer in layers)
    assert paint[40, 45, 3] > 0
    assert not paint[60:, :, 3].any()
    merged = Image.fromarray(gray).convert("RGBA")
    for layer in (colors, paint):
        merged = Image.alpha_composite(merged, Image.fromarray(layer))
    result = pixels(pack.read("mergedimage.png")).astype(int)
    assert np.abs(np.asarray(merged.convert("RGB")) - result).max() <= 2
