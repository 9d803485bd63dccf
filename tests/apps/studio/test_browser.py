"""The drawing pad in a real browser. Without Chromium, these tests are skipped, and fail in CI."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser_pad import SIZE, BrowserPad, check
from numpy.typing import NDArray
from pads import tiny_studio
from PIL import Image

import colorzoo.apps.studio
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.color import rgb_to_lab
from colorzoo.color.lab import at_lightness, reduce_chroma

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    studio = tiny_studio(Limits(pixels=1_000_000, file_bytes=2**20))
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        yield url


def test_pad_export_after_mouse_editing_equals_the_command_line(
    browser: Any, photo: Path, tmp_path: Path
) -> None:
    with run_server(StudioLoader.loaded(Studio(device="cpu")), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        for place in ((60, 50), (180, 60), (110, 90)):
            pad.click(*place)
            pad.settle()
        assert [(round(p["x"]), round(p["y"])) for p in pad.points()] == [(60, 50), (180, 60), (110, 90)]

        pad.page.click("[data-role=suggestion] >> nth=4")
        pad.settle()
        taken = pad.points()[2]["ab"]
        pad.page.fill(".cz-hex", "#c04020")
        pad.page.keyboard.press("Enter")
        pad.settle()
        assert pad.points()[2]["ab"] != taken

        pad.drag((60, 50), (90, 130))
        pad.settle()
        assert [round(pad.points()[0][axis]) for axis in "xy"] == [90, 130]
        pad.page.keyboard.press("Control+z")
        assert [round(pad.points()[0][axis]) for axis in "xy"] == [60, 50]
        pad.page.keyboard.press("Control+z")
        assert pad.points()[2]["ab"] == taken
        pad.page.click("[data-action=redo]")
        pad.page.click("[data-action=redo]")
        assert [round(pad.points()[0][axis]) for axis in "xy"] == [90, 130]
        pad.settle()

        assert_compare_shows_the_source(pad)
        recipe = pad.download(lambda: pad.page.click("[data-action=save]"), tmp_path / "work.json")
        assert json.loads(recipe.read_text()) == pad.recipe()
        pad.page.click("[data-action=export]")
        exported = pad.download(
            lambda: pad.page.click("[data-action=export-now]"), tmp_path / "from_the_pad.png"
        )
        assert pad.problems == []
        pad.close()
    assert main(["colorize", str(photo), "--recipe", str(recipe), "-o", str(tmp_path / "cli.png")]) == 0
    with Image.open(exported) as ours, Image.open(tmp_path / "cli.png") as theirs:
        assert ours.size == SIZE
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def assert_compare_shows_the_source(pad: BrowserPad) -> None:
    pad.page.click("[data-action=compare]")
    x, y = pad.place(100, 75)
    split = pad.page.locator(".cz-split")
    split.wait_for(state="visible")
    split.focus()
    pad.page.keyboard.press("Home")
    expect_color(pad, x, y, True)
    pad.page.keyboard.press("End")
    expect_color(pad, x, y, False)
    pad.page.click("[data-action=compare]")
    expect_color(pad, x, y, True)
    pad.page.keyboard.down("o")
    expect_color(pad, x, y, False)
    pad.page.keyboard.up("o")
    expect_color(pad, x, y, True)


def expect_color(pad: BrowserPad, x: float, y: float, wanted: bool) -> None:
    """Wait until a page position is in color, or gray; drawing takes one or more frames."""
    for _ in range(50):
        if (colorfulness(pad, x, y) > 0) == wanted:
            return
    pytest.fail(f"({x:.0f}, {y:.0f}) stayed {'gray' if wanted else 'in color'}")


def colorfulness(pad: BrowserPad, x: float, y: float) -> int:
    """Return the largest channel difference around a page position."""
    found = levels(pad, x, y)
    return int((found.max(axis=-1) - found.min(axis=-1)).max())


def levels(pad: BrowserPad, x: float, y: float) -> NDArray[np.int_]:
    """Return the 9 x 9 page pixels around a position, after the next frames are drawn."""
    pad.page.wait_for_timeout(60)
    clip = {"x": x - 4, "y": y - 4, "width": 9, "height": 9}
    with Image.open(io.BytesIO(pad.page.screenshot(clip=clip))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.nightly
def test_pad_can_be_operated_by_keyboard_alone(empty_pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    keys = empty_pad.page.keyboard
    empty_pad.open(photo, by_key=True)
    empty_pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    empty_pad.settle()
    keys.press("n")
    for _ in range(3):
        keys.press("ArrowRight")
    keys.press("Enter")
    empty_pad.page.wait_for_selector("[data-role=suggestion]")
    empty_pad.settle()
    before = empty_pad.points()[0]
    keys.press("2")
    empty_pad.settle()
    assert empty_pad.points()[0]["ab"] != before["ab"]
    keys.press("Shift+ArrowDown")
    keys.press("ArrowLeft")
    moved = empty_pad.points()[0]
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == (-1, 10)
    keys.press("]")
    assert empty_pad.points()[0]["radius"] > moved["radius"]
    keys.press("k")
    assert empty_pad.points()[0]["ab"] == [0, 0]
    keys.press("m")
    assert empty_pad.points() == []
    keys.press("m")
    keys.press("l")
    keys.press("Delete")
    assert len(empty_pad.points()) == 1, "a locked point must stay"
    keys.press("?")
    assert empty_pad.page.locator("dialog[open]").get_attribute("aria-label") == "Help"
    keys.press("Escape")
    keys.press("Control+Shift+e")
    exported = empty_pad.download(lambda: keys.press("Enter"), tmp_path / "keys.png")
    with Image.open(exported) as image:
        assert image.size == SIZE


def test_shortcuts_work_with_every_keyboard_layout(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.page.focus(".cz-stage")
    undos = ["я", "ζ", "ئ", "ז", "ㅋ"]  # Russian, Greek, Arabic, Hebrew, Korean
    for count in range(len(undos) + 1):
        empty_pad.click(30 + 30 * count, 50)
    for key in undos:
        empty_pad.key("keyDown", key, "KeyZ", ctrl=True)
    empty_pad.next_frame()
    assert len(empty_pad.points()) == 1
    empty_pad.key("keyDown", "Я", "KeyZ", ctrl=True, shift=True)
    assert len(empty_pad.points()) == 2
    empty_pad.key("keyDown", "y", "KeyZ", ctrl=True)  # QWERTZ: redo
    assert len(empty_pad.points()) == 3
    empty_pad.key("keyDown", "w", "KeyZ", ctrl=True)  # AZERTY: no shortcut
    empty_pad.key("keyDown", "ü", "BracketLeft")  # QWERTZ: no shortcut
    assert len(empty_pad.points()) == 3
    empty_pad.click(200, 130)
    empty_pad.settle()
    radius = empty_pad.points()[3]["radius"]
    empty_pad.key("keyDown", "ъ", "BracketRight")
    assert empty_pad.points()[3]["radius"] > radius
    empty_pad.settle()
    empty_pad.page.wait_for_selector("[data-role=suggestion]")
    before = empty_pad.points()[3]["color"]
    empty_pad.key("keyDown", "٢", "Digit2")  # Arabic
    assert empty_pad.points()[3]["color"] != before
    place = empty_pad.place(207, 130)
    empty_pad.key("keyDown", "щ", "KeyO")
    expect_color(empty_pad, *place, False)
    empty_pad.key("keyUp", "щ", "KeyO")
    expect_color(empty_pad, *place, True)
    empty_pad.key("keyDown", "И", "KeyB", shift=True)
    empty_pad.next_frame()
    assert empty_pad.page.get_attribute("[data-tool=paint]", "aria-pressed") == "true"


@pytest.mark.nightly
def test_pad_restores_work_after_a_crash(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(60, 50)
    empty_pad.click(180, 60)
    empty_pad.settle()
    before = empty_pad.recipe()
    empty_pad.page.wait_for_timeout(1500)  # the autosave runs after a pause
    empty_pad.crash()
    empty_pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    empty_pad.settle()
    assert empty_pad.recipe() == before
    assert "is restored" in empty_pad.toasts()


def test_color_js_matches_the_python_color_functions(browser: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(3, 100, 1, generator=generator).mul(255).round()
    wild = torch.rand(3, 100, 1, generator=generator) * torch.tensor([100.0, 220, 220]).view(3, 1, 1)
    wild[1:] -= 110
    color = (Path(colorzoo.apps.studio.__path__[0]) / "static/js/color.js").read_bytes()
    page = browser.new_page()
    ours = page.evaluate(
        check("COLORS"), [base64.b64encode(color).decode(), rgb[..., 0].T.tolist(), wild[..., 0].T.tolist()]
    )
    page.close()
    assert torch.allclose(torch.tensor(ours[0]).T, rgb_to_lab(rgb / 255)[..., 0], atol=0.02)
    assert torch.allclose(torch.tensor(ours[1]).T, reduce_chroma(wild)[1:, :, 0], atol=0.1)
    moved = at_lightness(rgb_to_lab(rgb / 255), wild[:1])
    assert torch.allclose(torch.tensor(ours[2]).T, moved[1:, :, 0], atol=0.3)


@pytest.mark.nightly
def test_pad_keeps_offline_edits_after_reconnection(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.lose_connection()
    empty_pad.click(60, 50)
    empty_pad.page.fill(".cz-hex", "#c04020")
    empty_pad.page.press(".cz-hex", "Enter")
    empty_pad.click(180, 60)
    assert len(empty_pad.points()) == 2
    assert "edits are kept" in empty_pad.page.inner_text(".cz-banner")
    offline = levels(empty_pad, *empty_pad.place(70, 60))
    empty_pad.broken = ""
    empty_pad.settle()
    assert len(empty_pad.points()) == 2
    for _ in range(50):
        if not np.array_equal(levels(empty_pad, *empty_pad.place(70, 60)), offline):
            return
    pytest.fail("the server did not receive the points")


@pytest.mark.nightly
def test_pad_shows_errors_with_a_retry_button(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.broken = "colored"
    empty_pad.click(60, 50)
    empty_pad.wait("failed")
    assert "The model gave up on this image" in empty_pad.page.inner_text(".cz-banner")
    assert len(empty_pad.points()) == 1
    empty_pad.broken = ""
    empty_pad.page.click(".cz-banner button")
    empty_pad.settle()


@pytest.mark.nightly
def test_pad_loads_a_recipe_and_undoes_it(empty_pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    empty_pad.open_ready(photo)
    width, height = SIZE
    recipe = {
        "version": 1,
        "image": {"width": width, "height": height},
        "points": [{"x": 30, "y": 40, "radius": 6, "color": "#c04020"}],
        "strength": 0.8,
        "author": "kept",
    }
    (tmp_path / "r.json").write_text(json.dumps(recipe))
    with empty_pad.page.expect_file_chooser() as chooser:
        empty_pad.page.click("[data-action=load]")
    chooser.value.set_files(tmp_path / "r.json")
    empty_pad.page.wait_for_selector(".cz-toast >> text=loaded")
    empty_pad.settle()
    loaded = empty_pad.recipe()
    assert loaded["points"][0]["radius"] == 6
    assert (loaded["strength"], loaded["author"]) == (0.8, "kept")
    empty_pad.page.keyboard.press("Control+z")
    assert empty_pad.points() == []
    empty_pad.settle()


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("kinds", "tools", "panels"),
    [
        (["scribbles"], {"edge", "eraser", "hand"}, {"Points and strokes"}),
        (["exemplar", "classes"], {"hand"}, {"Reference image", "Object types"}),
    ],
)
def test_pad_shows_panels_for_the_guidance_of_the_model(
    browser: Any, address: str, photo: Path, kinds: list[str], tools: set[str], panels: set[str]
) -> None:
    def offer(hello: dict[str, Any]) -> None:
        for model in hello["models"]:
            model["guidance"] = kinds

    pad = BrowserPad(browser, address, offer)
    pad.open_ready(photo)
    shown = pad.page.locator("[data-tool].cz-tool:not([hidden])")
    titles = pad.page.locator(".cz-panel section:not([hidden])")
    found = [
        set(each.evaluate_all("(all) => all.map((el) => el.dataset.tool || el.ariaLabel)"))
        for each in (shown, titles)
    ]
    if "scribbles" in kinds:
        pad.page.click("[data-tool=edge]")
        pad.drag((60, 130), (180, 130))
        assert pad.recipe()["scribbles"][0]["path"][0] == pytest.approx([60, 130], abs=1)
    pad.close()
    assert found[0] - {"area", "paint", "replace", "heal", "crop", "border"} == tools  # tools for all models
    assert found[1] - {"Coloring model", "Adjust all colors", "History"} >= panels


@pytest.mark.nightly
def test_pad_on_a_phone_adds_points_by_touch_and_labels_actions(
    browser: Any, address: str, photo: Path
) -> None:
    pad = BrowserPad(browser, address, viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    pad.open_ready(photo)
    pad.page.touchscreen.tap(*pad.place(60, 50))
    pad.settle()
    assert len(pad.points()) == 1
    assert pad.page.evaluate("() => document.documentElement.scrollWidth") == 360
    assert pad.page.evaluate(check("SMALL_TARGETS"), 44) == []
    tops = "(bar) => [...bar.children].map((el) => el.getBoundingClientRect().bottom).sort()"
    bottoms = pad.page.locator(".cz-stage-bar").evaluate(tops)
    assert bottoms[-1] - bottoms[0] < 10  # one line
    for action in ("open", "undo", "save", "load", "export", "help"):
        button = pad.page.locator(f".cz-top [data-action={action}]")
        assert button.inner_text().strip().lower().startswith(action)
        box = button.bounding_box()
        assert 0 <= box["x"] <= 360 - box["width"], action
    pad.page.tap(".cz-top [data-action=help]")
    assert "press and hold to delete" in pad.page.locator("dialog[open]").inner_text()
    pad.close()
    assert pad.problems == []


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pad_controls_have_names_and_sufficient_contrast(
    browser: Any, address: str, photo: Path, scheme: str
) -> None:
    pad = BrowserPad(browser, address, color_scheme=scheme)
    assert pad.page.evaluate(check("CONTRASTS")) == []
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    assert pad.page.evaluate(check("UNNAMED")) == []
    assert pad.page.evaluate(check("CONTRASTS")) == []
    assert pad.page.evaluate(check("SMALL_TARGETS"), 24) == []
    pad.page.keyboard.press("?")
    assert pad.page.evaluate(check("CONTRASTS")) == []
    pad.close()


@pytest.mark.nightly
def test_pad_resets_settings_for_a_new_point_or_image(
    empty_pad: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(60, 60)
    empty_pad.page.click(".cz-segment >> text=Everywhere")
    empty_pad.settle()
    empty_pad.page.keyboard.press("Escape")
    empty_pad.click(150, 100)
    empty_pad.page.keyboard.press("1")  # before the suggestions of the new point have arrived
    empty_pad.page.wait_for_function("() => colorzooPad.recipe().points?.length === 2")
    empty_pad.settle()
    assert [point["reach"] for point in empty_pad.recipe()["points"]] == ["everywhere", "automatic"]
    empty_pad.page.keyboard.press("w")
    empty_pad.page.click('.cz-segment >> text="Add"')
    other = tmp_path / "other.png"
    Image.new("L", SIZE, 90).save(other)
    empty_pad.open_ready(other)
    empty_pad.next_frame()
    pressed = (
        "() => [...document.querySelectorAll('.cz-segment[aria-pressed=true]')].map((el) => el.textContent)"
    )
    assert "Object" in empty_pad.page.evaluate(pressed)
    assert empty_pad.points() == []


def test_point_with_a_small_spread_offers_the_automatic_spread(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    point = {"x": 60, "y": 60, "color": "#c04020", "reach": 0.24}
    empty_pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", {"points": [point]})
    empty_pad.settle()
    empty_pad.click(60, 60)
    empty_pad.page.click("text=Spread further")
    empty_pad.page.wait_for_selector("text=Spread further", state="hidden")
    empty_pad.settle()
    assert empty_pad.recipe()["points"][0]["reach"] == "automatic"


def test_keys_of_an_input_method_are_left_to_the_input_method(photo_pad: BrowserPad) -> None:
    """Send the keys to a field, the focused image, and a tab."""
    photo_pad.click(60, 50)
    photo_pad.settle()
    before = photo_pad.recipe()
    photo_pad.page.fill(".cz-hex", "#c0")
    for selector in (".cz-hex", ".cz-stage", "[data-tab=color]"):
        for composing in ({"isComposing": True}, {"keyCode": 229}):
            for key in ("Enter", "Escape", "ArrowLeft", "b", "n"):
                handled = photo_pad.page.evaluate(
                    """([selector, options]) => {
                      const el = document.querySelector(selector);
                      el.focus();
                      const flags = { bubbles: true, cancelable: true, ...options };
                      const event = new KeyboardEvent("keydown", flags);
                      el.dispatchEvent(event);
                      return event.defaultPrevented || document.activeElement !== el;
                    }""",
                    [selector, {"key": key, **composing}],
                )
                assert not handled, (selector, key)
    assert photo_pad.page.get_attribute("[data-tool=point]", "aria-pressed") == "true"
    assert photo_pad.recipe() == before
