"""Border of a scan in the drawing pad: detection, colors inside, dragging and removal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad
from pads import DirectPad, image_file, pixels
from PIL import Image

from colorzoo.apps.studio.opened_image import jpeg
from colorzoo.guidance.areas import parse_mask
from colorzoo.guidance.fields import Fields
from colorzoo.inference.colorizer import Colorizer
from inference.test_border import INSIDE, bordered
from tiny_model import tiny_model

X, Y, WIDTH, HEIGHT = INSIDE[:4]
POINT = {"x": 90, "y": 70, "radius": 4, "color": "#d02010"}


def scan_file() -> bytes:
    return image_file((bordered(4) * 2.55).astype(np.uint8))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    path.write_bytes(scan_file())
    return path


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer(tiny_model(), device="cpu", size=64)


@pytest.mark.parametrize(
    "border",
    ["automatic", [30, 24, 150, 100, -2.5]]
    + [pytest.param(each, marks=pytest.mark.nightly) for each in ("none", [30, 24, 150, 100])],
)
def test_pad_with_border_matches_the_python_result(
    pad: DirectPad, scan: Path, colorizer: Colorizer, border: Any
) -> None:
    photo = pad.open(scan_file())
    assert photo["border"] == pytest.approx(list(INSIDE[:4]), abs=6)
    area = {"action": "color", "path": [[100, 80], [160, 80], [130, 120]], "color": "#20a040"}
    paint = {"path": [[40, 40], [80, 44]], "size": 12, "color": "#3060b0"}
    on_border = {**POINT, "x": 3, "y": 3}
    hints = {"points": [on_border, POINT], "areas": [area], "paint": [paint]}
    recipe = {"image": photo["image"], "border": border, **hints}
    shown = pad.call("color", recipe=recipe)
    whole = np.asarray(colorizer(scan, recipe))
    assert shown.buffers[0] == jpeg(Image.fromarray(whole))
    assert np.array_equal(pixels(pad.export(recipe)), whole)
    chroma = np.ptp(whole.astype(int), axis=2)
    assert (chroma[: Y - 4].max() <= 1) == (border != "none")


def test_pad_with_border_returns_positions_in_full_image_pixels(pad: DirectPad) -> None:
    photo = pad.open(scan_file())
    recipe = {"image": photo["image"], "points": [POINT]}
    found = pad.call("next", recipe=recipe).body
    assert INSIDE.contains((found["x"], found["y"]), (photo["width"], photo["height"]))
    assert pad.call("suggest", recipe=recipe, x=90, y=70, exclude=0).body["items"]

    path = [[X + 40, Y + 30], [X + 100, Y + 30], [X + 100, Y + 80], [X + 40, Y + 80]]
    selected = pad.call("select", recipe=recipe, path=path, exact=True).body
    mask = parse_mask(Fields({"mask": selected["mask"]}, "area"))
    assert mask is not None
    rows, columns = np.nonzero(mask.array())
    across, down = photo["width"] / mask.width, photo["height"] / mask.height
    bounds = [
        columns.min() * across,
        (columns.max() + 1) * across,
        rows.min() * down,
        (rows.max() + 1) * down,
    ]
    assert bounds == pytest.approx([X + 40, X + 100, Y + 30, Y + 80], abs=5)

    triangle = [[X - 20, Y + 10], [X + 100, Y + 60], [X - 20, Y + 110]]
    inside = (X + 100 - photo["border"][0]) / 120  # fraction of its length
    selected = pad.call("select", recipe=recipe, path=triangle, exact=True).body
    mask = parse_mask(Fields({"mask": selected["mask"]}, "area"))
    assert mask is not None
    assert mask.array().sum() * across * down == pytest.approx(120 * 100 / 2 * inside**2, rel=0.05)

    extent = pixels(pad.call("extent", recipe=recipe, x=90, y=70).buffers[0])[..., 3]
    row, column = (
        round(at * side / size)
        for at, side, size in ((70, len(extent), photo["height"]), (90, extent.shape[1], photo["width"]))
    )
    assert extent[row, column] > 100
    assert not extent[0].any()


@pytest.fixture
def bordered_pad(empty_pad: BrowserPad, scan: Path) -> BrowserPad:
    empty_pad.open_ready(scan)
    return empty_pad


def exported(pad: BrowserPad, target: Path) -> np.ndarray:
    pad.page.click("[data-action=export]")
    file = pad.download(lambda: pad.page.click("[data-action=export-now]"), target)
    return pixels(file.read_bytes())


@pytest.mark.browser
def test_border_can_be_dragged_removed_and_restored(
    bordered_pad: BrowserPad, scan: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    pad = bordered_pad
    assert "border" not in pad.recipe()  # the command line also detects the border
    found = np.asarray(colorizer(scan))
    assert np.array_equal(exported(pad, tmp_path / "found.png"), found)

    x, y, width, height = pad.page.evaluate("colorzooPad.inside()")
    pad.page.click("[data-tool=border]")
    pad.drag((x + width, y + height / 2), (x + width - 40, y + height / 2))
    pad.settle()
    border = pad.recipe()["border"]
    assert border == pytest.approx([x, y, width - 40, height], abs=2)
    recipe = tmp_path / "hints.json"
    recipe.write_text(json.dumps(pad.recipe()))
    moved = exported(pad, tmp_path / "moved.png")
    assert np.array_equal(moved, np.asarray(colorizer(scan, recipe)))
    assert np.ptp(moved[:, x + width - 30 :].astype(int), axis=2).max() <= 1

    pad.page.click("[data-action=no-border]")
    pad.settle()
    assert pad.recipe()["border"] == "none"
    whole = exported(pad, tmp_path / "whole.png")
    assert np.array_equal(whole, np.asarray(colorizer(scan, border="none")))
    pad.page.click("[data-action=found-border]")
    pad.settle()
    assert "border" not in pad.recipe()
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert pad.recipe()["border"] == "none"
