"""References and boxes in a real browser, with the embedded models that use them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad
from numpy.typing import NDArray
from pads import exemplar_file, pixels
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio

pytestmark = pytest.mark.browser

INSIDE, OUTSIDE = np.s_[50:100, 70:140], np.s_[:, 190:]
Place = tuple[float, float]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with run_server(StudioLoader.loaded(Studio(device="cpu")), port=0) as (url, _):
        yield url


@pytest.fixture
def reference_file(tmp_path: Path) -> Path:
    target = tmp_path / "reference_file.png"
    target.write_bytes(exemplar_file(120, 100))
    return target


def attach(pad: BrowserPad, reference_file: Path) -> None:
    pad.tab("reference")
    pad.choose_file(lambda: pad.page.click("[data-slot=exemplar] .cz-drop"), reference_file)
    pad.page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
    pad.settle()


def boxes(pad: BrowserPad) -> list[tuple[float, ...]]:
    return [tuple(box[side] for side in ("x", "y", "width", "height")) for box in pad.recipe()["boxes"]]


def keep_rectangles(pad: BrowserPad) -> None:
    pad.tab("layers")
    pad.page.click("text=Keep as a rectangle")
    pad.page.focus(".cz-stage")


def export(pad: BrowserPad, target: Path) -> NDArray[Any]:
    pad.page.click("[data-action=export]")
    return pixels(
        pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes()
    ).astype(int)


def mean_color(pad: BrowserPad, place: Place) -> NDArray[Any]:
    """Return the mean displayed color around an image position."""
    x, y = pad.place(*place)
    pad.page.wait_for_timeout(100)
    shot = pad.page.screenshot(clip={"x": x - 8, "y": y - 8, "width": 17, "height": 17})
    with Image.open(io.BytesIO(shot)) as image:
        return np.asarray(image.convert("RGB")).mean(axis=(0, 1))


def colorize_by_command(photo: Path, recipe: dict[str, Any], folder: Path) -> NDArray[Any]:
    """Colorize with the command line, which finds the reference beside the recipe."""
    (folder / "work.json").write_text(json.dumps(recipe))
    assert (
        main(["colorize", str(photo), "--recipe", str(folder / "work.json"), "-o", str(folder / "cli.png")])
        == 0
    )
    return pixels((folder / "cli.png").read_bytes()).astype(int)


@pytest.mark.nightly
def test_undo_and_redo_apply_to_reference_and_statistics_images(
    photo_pad: BrowserPad, reference_file: Path
) -> None:
    page = photo_pad.page
    plain = mean_color(photo_pad, (105, 75))
    attach(photo_pad, reference_file)
    photo_pad.choose_file(lambda: page.click("[data-slot=statistics] .cz-drop"), reference_file)
    page.wait_for_selector("[data-slot=statistics] figure:not([hidden])")
    photo_pad.settle()
    for slot in ("statistics", "exemplar"):
        page.keyboard.press("Control+z")
        page.wait_for_selector(f"[data-slot={slot}] .cz-drop")
        photo_pad.settle()
    assert np.array_equal(mean_color(photo_pad, (105, 75)), plain)
    page.keyboard.press("Control+Shift+z")
    page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
    photo_pad.settle()
    assert np.abs(mean_color(photo_pad, (105, 75)) - plain).max() > 1


@pytest.mark.nightly
def test_loaded_edits_replace_the_reference(
    photo_pad: BrowserPad, reference_file: Path, tmp_path: Path
) -> None:
    edits = tmp_path / "plain.json"
    edits.write_text(json.dumps(photo_pad.recipe()))
    plain = mean_color(photo_pad, (105, 75))
    attach(photo_pad, reference_file)
    assert np.abs(mean_color(photo_pad, (105, 75)) - plain).max() > 1
    photo_pad.choose_file(lambda: photo_pad.page.keyboard.press("Control+Shift+o"), edits)
    photo_pad.page.wait_for_selector("[data-slot=exemplar] .cz-drop")
    photo_pad.settle()
    assert "exemplar" not in photo_pad.recipe()
    assert np.array_equal(mean_color(photo_pad, (105, 75)), plain)
    photo_pad.page.keyboard.press("Control+z")
    photo_pad.page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")


def test_references_of_one_name_are_told_apart_by_their_hash(
    photo_pad: BrowserPad, reference_file: Path, tmp_path: Path
) -> None:
    page = photo_pad.page
    attach(photo_pad, reference_file)
    first = photo_pad.recipe()["exemplar"]
    assert first == {"path": reference_file.name, "sha256": sha256(reference_file.read_bytes()).hexdigest()}
    colors = mean_color(photo_pad, (105, 75))
    page.click("[data-slot=exemplar] figure button")
    page.wait_for_selector("[data-slot=exemplar] .cz-drop")
    other = tmp_path / "album" / reference_file.name
    other.parent.mkdir()
    with Image.open(reference_file) as image:
        Image.fromarray(255 - np.asarray(image.convert("RGB"))).save(other)
    attach(photo_pad, other)
    assert photo_pad.recipe()["exemplar"]["sha256"] == sha256(other.read_bytes()).hexdigest()
    assert np.abs(mean_color(photo_pad, (105, 75)) - colors).max() > 1
    for _ in range(2):
        page.keyboard.press("Control+z")
        photo_pad.settle()
    assert photo_pad.recipe()["exemplar"] == first
    assert np.array_equal(mean_color(photo_pad, (105, 75)), colors)
    # edits of another computer name a file, of which this computer has another version
    recipe = {**photo_pad.recipe(), "exemplar": {"path": other.name, "sha256": 64 * "0"}}
    (tmp_path / "edits.json").write_text(json.dumps(recipe))
    photo_pad.choose_file(lambda: page.keyboard.press("Control+Shift+o"), tmp_path / "edits.json")
    page.wait_for_selector("text=Choose the reference image")
    photo_pad.choose_file(lambda: page.click("text=Choose the reference image"), other)
    page.wait_for_selector(f"text=made with another image named {other.name}")
    photo_pad.settle()
    assert photo_pad.recipe()["exemplar"]["sha256"] == sha256(other.read_bytes()).hexdigest()


def test_box_is_drawn_resized_moved_and_colored_separately(
    photo_pad: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    photo_pad.select_model("su2020_small")
    assert photo_pad.recipe()["boxes"] == [], "the model does not detect objects"
    plain = export(photo_pad, tmp_path / "plain.png")
    keep_rectangles(photo_pad)
    photo_pad.page.keyboard.press("u")
    photo_pad.drag((60, 40), (150, 110))
    photo_pad.settle()
    assert boxes(photo_pad) == [(60, 40, 90, 70)]
    recipe = photo_pad.recipe()
    ours = export(photo_pad, tmp_path / "ours.png")
    assert np.array_equal(ours, colorize_by_command(photo, recipe, tmp_path))
    change = np.abs(ours - plain)
    assert change[INSIDE].mean() > 0.5
    assert change[INSIDE].mean() > 1.5 * change[OUTSIDE].mean()  # boxes slightly reduce other chroma

    photo_pad.drag((150, 110), (180, 120))  # a corner
    assert boxes(photo_pad) == [(60, 40, 120, 80)]
    photo_pad.drag((100, 80), (300, 70))  # the inside; the box stops at the image border
    assert boxes(photo_pad) == [(120, 30, 120, 80)]
    photo_pad.page.keyboard.press("ArrowLeft")
    photo_pad.page.keyboard.press("Escape")
    photo_pad.drag((150, 50), (170, 70))  # without a selection, a new box is drawn inside the first
    assert boxes(photo_pad) == [(119, 30, 120, 80), (150, 50, 20, 20)]
    photo_pad.click(160, 60, button="right")
    photo_pad.page.keyboard.press("n")
    photo_pad.page.keyboard.press("Enter")
    photo_pad.page.keyboard.press("Shift+ArrowRight")
    photo_pad.page.keyboard.press("Shift+ArrowDown")
    photo_pad.page.keyboard.press("Enter")
    assert len(boxes(photo_pad)) == 2
    photo_pad.page.click("[aria-label='Delete Box 1']")
    assert len(boxes(photo_pad)) == 1
    photo_pad.settle()
