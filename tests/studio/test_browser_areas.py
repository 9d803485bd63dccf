"""Areas in a real browser: selecting objects, actions, undo, export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, check, watched_pad
from numpy.typing import NDArray
from pads import pixels
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage import data

from colorzoo.cli.main import main
from colorzoo.guidance.areas import parse_mask
from colorzoo.guidance.fields import Fields
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser

THING = ((60, 40), (150, 40), (150, 110), (60, 110))
INSIDE, OUTSIDE = np.s_[55:95, 75:135], np.s_[:, 200:]
MARKED = """() => {
  const marks = [...document.querySelectorAll(".cz-stage canvas")].at(-1);
  const copy = new OffscreenCanvas(marks.width, marks.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(marks, 0, 0);
  const { data } = copy.getImageData(0, 0, marks.width, marks.height);
  return data.filter((value, i) => i % 4 === 3 && value > 200).length;
}"""

MARK_AT = """([x, y]) => {
  const marks = [...document.querySelectorAll(".cz-stage canvas")].at(-1);
  const { left, top, width } = marks.getBoundingClientRect();
  const scale = marks.width / width;
  const copy = new OffscreenCanvas(1, 1).getContext("2d");
  copy.drawImage(marks, -Math.round((x - left) * scale), -Math.round((y - top) * scale));
  return [...copy.getImageData(0, 0, 1, 1).data];
}"""


@pytest.fixture
def pad(browser: Any, address: str, photo: Path) -> Iterator[BrowserPad]:
    with watched_pad(browser, address) as opened:
        opened.open_ready(photo)
        opened.page.focus(".cz-stage")
        opened.page.keyboard.press("t")
        yield opened


def areas(pad: BrowserPad) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pad.recipe().get("areas", [])
    return found


def choose(pad: BrowserPad, action: str) -> None:
    """Say what becomes of the selected thing."""
    pad.page.click(f"[data-area-action={action}]")
    pad.page.wait_for_selector("[aria-label^='Layers'] li")
    pad.settle()


def outline(pad: BrowserPad) -> None:
    pad.drag(*THING, THING[0])
    pad.page.wait_for_selector("[data-area-action=color]")
    pad.settle()


def export(pad: BrowserPad, target: Path) -> NDArray[Any]:
    pad.page.click("[data-action=export]")
    return pixels(
        pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes()
    ).astype(int)


def drawn(area: dict[str, Any]) -> NDArray[np.bool_]:
    mask = parse_mask(Fields({"mask": area["mask"]}, "area"))
    assert mask is not None
    return mask.array()


def test_an_object_is_selected_by_a_click_colored_and_undone(
    browser: Any, photo: Path, tmp_path: Path
) -> None:
    with run_server(StudioLoader.loaded(Studio(device="cpu")), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        plain = export(pad, tmp_path / "plain.png")
        pad.page.click("[data-tool=area]")
        pad.click(105, 75)
        pad.page.wait_for_selector("[data-area-action=color]")
        assert areas(pad) == [], "a selection alone changes nothing"
        choose(pad, "color")
        pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#2060c0")
        pad.page.keyboard.press("Enter")
        pad.settle()
        (area,) = areas(pad)
        assert area["action"] == "color"
        assert area["made"]["by"] == "click"
        assert area["made"]["at"] == pytest.approx([105, 75], abs=1)
        inside = drawn(area)
        assert inside[75, 105], "the photo is as large here as the network sees it"
        assert inside[50:100, 70:140].mean() > 0.9
        assert inside[:, 200:].mean() < 0.1
        recipe, ours = pad.recipe(), export(pad, tmp_path / "ours.png")
        assert (ours[INSIDE][..., 2] - ours[INSIDE][..., 0]).mean() > 40
        assert np.abs(ours - plain)[OUTSIDE].max() <= 1
        (tmp_path / "work.json").write_text(json.dumps(recipe))
        cli = tmp_path / "cli.png"
        assert main(["colorize", str(photo), "--recipe", str(tmp_path / "work.json"), "-o", str(cli)]) == 0
        assert np.array_equal(ours, pixels(cli.read_bytes()))
        for _ in range(2):
            pad.page.click("[data-action=undo]")
        assert areas(pad) == []
        pad.settle()
        assert pad.problems == []
        pad.close()


def test_locked_areas_keep_their_colors_when_points_are_added(pad: BrowserPad, tmp_path: Path) -> None:
    before = export(pad, tmp_path / "before.png")
    outline(pad)
    choose(pad, "lock")
    assert "kept" in areas(pad)[0]
    pad.page.keyboard.press("p")
    pad.click(20, 130)
    pad.settle()
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#c02020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    inside = np.asarray(Image.fromarray(drawn(areas(pad)[0])).resize((240, 160)))
    deep = ndimage.binary_erosion(inside, iterations=9)
    after = export(pad, tmp_path / "after.png")
    assert deep.any()
    assert np.abs(after - before)[deep].max() <= 2
    assert np.abs(after - before)[120:140, 10:30].max() > 30


def test_areas_are_listed_changed_and_deleted(pad: BrowserPad) -> None:
    outline(pad)
    choose(pad, "gray")
    rows = pad.page.locator("[aria-label^='Layers'] li")
    assert rows.count() == 1
    assert rows.locator(".cz-hint-main").get_attribute("aria-pressed") == "true"
    pad.page.select_option("[aria-label='Action of area 1']", "only")
    pad.settle()
    assert areas(pad)[0]["action"] == "only"
    pad.page.select_option("[aria-label='Action of area 1']", "color")
    pad.settle()
    assert areas(pad)[0]["color"].startswith("#")
    assert "kept" not in areas(pad)[0]
    pad.page.check("text=Its lightness follows the color")
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#102040")
    pad.page.keyboard.press("Enter")
    pad.settle()
    assert (areas(pad)[0]["lightness"], areas(pad)[0]["color"]) == ("color", "#102040")
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("Delete")
    assert areas(pad) == []
    pad.page.keyboard.press("Control+z")
    assert len(areas(pad)) == 1
    pad.click(105, 75, button="right")
    assert areas(pad) == []
    pad.settle()


def test_no_outline_hides_a_new_color_until_the_pointer_is_back(pad: BrowserPad) -> None:
    outline(pad)
    choose(pad, "color")
    assert pad.page.evaluate(MARKED) > 100, "the outline of the selected area"
    pad.page.click("[aria-label='Color as #rrggbb or R, G, B']")
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#a03020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    pad.drawn()
    assert pad.page.evaluate(MARKED) == 0
    pad.page.mouse.move(*pad.place(20, 20))
    pad.drawn()
    assert pad.page.evaluate(MARKED) > 100


def test_what_is_selected_is_blue_and_the_rest_is_not(pad: BrowserPad) -> None:
    outline(pad)
    pad.drawn()
    inside, outside = (pad.page.evaluate(MARK_AT, pad.place(*at)) for at in ((105, 75), (200, 130)))
    assert inside == pytest.approx([26, 109, 255, 110], abs=4)
    assert outside[3] == 0


def test_a_selection_is_resized_extended_and_dropped(pad: BrowserPad) -> None:
    pad.click(105, 75)
    pad.page.wait_for_selector("[data-area-action=color]")
    pad.settle()
    pad.page.get_by_title("Select more").click()
    pad.settle()
    pad.page.get_by_title("Select less").click()
    pad.settle()
    pad.page.keyboard.down("Shift")
    pad.drag((10, 10), (40, 10), (40, 40), (10, 40), (10, 10))
    pad.page.keyboard.up("Shift")
    pad.settle()
    choose(pad, "gray")
    inside = drawn(areas(pad)[0])
    scale = inside.shape[0] / 160
    assert inside[int(75 * scale), int(105 * scale)]
    assert inside[int(12 * scale) : int(38 * scale), int(12 * scale) : int(38 * scale)].any()
    pad.click(105, 75)
    pad.page.wait_for_selector("[data-area-action=color]")
    pad.page.keyboard.press("Escape")
    pad.page.wait_for_selector("[data-area-action=color]", state="hidden")
    assert len(areas(pad)) == 1
    pad.settle()


def test_an_outline_is_kept_as_drawn(pad: BrowserPad) -> None:
    corners = ((20, 60), (120, 20), (110, 140))
    keep = pad.page.get_by_title("Keep my outline as I drew it")
    pad.drag(*corners, corners[0], steps=20)
    pad.page.wait_for_selector("[data-area-action=color]")
    pad.settle()
    assert keep.get_attribute("aria-pressed") == "false"
    keep.click()
    pad.page.wait_for_selector("[aria-pressed=true] >> text=Keep my outline")
    pad.settle()
    pad.page.get_by_title("Select more").click()
    pad.settle()
    pad.page.get_by_title("Select less").click()
    pad.settle()
    assert keep.get_attribute("aria-pressed") == "true"
    choose(pad, "gray")
    inside = drawn(areas(pad)[0])
    height, width = inside.shape
    canvas = Image.new("L", (8 * width, 8 * height))
    places = [(x * 8 * width / 240, y * 8 * height / 160) for x, y in corners]
    ImageDraw.Draw(canvas).polygon(places, fill=255)
    wanted = np.asarray(canvas.resize((width, height), Image.Resampling.BOX)) > 127
    assert (inside & wanted).sum() > 0.95 * (inside | wanted).sum()
    pad.click(200, 20)
    pad.page.wait_for_selector("[data-area-action=color]")
    assert not keep.is_visible()  # a click has no outline
    pad.settle()


def test_an_area_is_made_by_keyboard_and_its_controls_have_names(pad: BrowserPad) -> None:
    keys = pad.page.keyboard
    keys.press("n")
    keys.press("Enter")
    pad.page.wait_for_selector("[data-area-action=color]:focus")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    pad.page.wait_for_selector("[aria-label^='Layers'] li")
    pad.settle()
    assert [area["action"] for area in areas(pad)] == ["gray"]
    found = [
        problem
        for name, given in (("UNNAMED", None), ("CONTRASTS", None), ("SMALL_TARGETS", 24))
        for problem in pad.page.evaluate(check(name), given)
    ]
    assert found == []


def test_areas_are_restored_after_a_crash_and_loaded_from_a_recipe(pad: BrowserPad, tmp_path: Path) -> None:
    outline(pad)
    choose(pad, "gray")
    before = pad.recipe()
    pad.page.wait_for_timeout(1500)  # the autosave waits for a pause
    pad.crash()
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    assert pad.recipe() == before
    work = {**before, "areas": [{"action": "gray", "path": [[1, 2], [90, 2], [50, 80]], "name": "roof"}]}
    (tmp_path / "r.json").write_text(json.dumps(work))
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), tmp_path / "r.json")
    pad.page.wait_for_selector(".cz-toast >> text=loaded")
    pad.settle()
    assert areas(pad) == work["areas"]


def test_an_unavailable_color_is_reported_and_the_lightness_can_follow(pad: BrowserPad) -> None:
    pad.page.keyboard.press("p")
    pad.click(105, 75)
    pad.settle()
    words = pad.page.locator(".cz-unshown")
    assert not words.is_visible()
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#0000ff")
    pad.page.keyboard.press("Enter")
    pad.settle()
    (point,) = pad.points()
    assert f"#0000ff cannot be shown at the lightness of this place; {point['color']}" in words.inner_text()
    words.locator("button").click()
    pad.page.wait_for_selector("[aria-label^='Layers'] li")
    pad.settle()
    assert pad.points() == []
    assert (areas(pad)[0]["color"], areas(pad)[0]["lightness"]) == ("#0000ff", "color")
    pad.page.click("[data-action=undo]")
    assert len(pad.points()) == 1
    assert areas(pad) == []
    pad.settle()


def test_a_brush_stroke_is_one_object(pad: BrowserPad) -> None:
    pad.page.keyboard.press("b")
    pad.drag((30, 30), (200, 30), steps=30)
    pad.settle()
    count = len(pad.points())
    assert count > 5
    assert {point["stroke"] for point in pad.points()} == {1}
    rows = pad.page.locator("[aria-label=Hints] .cz-hint-row")
    assert rows.count() == 1
    pad.page.keyboard.press("p")
    before = pad.points()
    pad.drag((200, 30), (205, 60))
    pad.settle()
    moved = [(b["x"] - a["x"], b["y"] - a["y"]) for a, b in zip(before, pad.points(), strict=True)]
    assert np.ptp(moved, axis=0).max() < 0.1
    assert moved[0][1] == pytest.approx(30, abs=2)
    assert rows.locator(".cz-hint-main").get_attribute("aria-pressed") == "true"
    assert rows.locator(".cz-hint-main").get_attribute("aria-label").startswith("Stroke 1")
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#2060c0")
    pad.page.keyboard.press("Enter")
    assert len({tuple(point["ab"]) for point in pad.points()}) == 1
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("Delete")
    assert pad.points() == []
    pad.page.keyboard.press("Control+z")
    assert len(pad.points()) == count
    pad.settle()


def test_the_color_of_a_stroke_leaves_the_point_before_it_alone(pad: BrowserPad) -> None:
    pad.page.keyboard.press("p")
    pad.click(60, 120)
    pad.page.get_by_text("Color of point 1").wait_for()
    pad.page.fill(".cz-hex", "#c03020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    (before,) = pad.points()
    pad.page.keyboard.press("b")
    pad.page.get_by_text("Color of the brush").wait_for()
    pad.page.fill(".cz-hex", "#2040c0")
    pad.page.keyboard.press("Enter")
    pad.drag((30, 30), (100, 30))
    pad.settle()
    point, *stroke = pad.points()
    assert point == before
    assert all(each["ab"][1] < 0 for each in stroke)


def test_less_and_more_change_what_an_outline_selects(pad: BrowserPad) -> None:
    sizes = []
    for title in (None, "Select more", "Select less"):
        outline(pad)
        if title:
            pad.page.get_by_title(title).click()
            pad.settle()
        choose(pad, "gray")
        sizes.append(int(drawn(areas(pad)[0]).sum()))
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert areas(pad) == []
        pad.page.keyboard.press("Escape")
        pad.drawn()
    found, more, less = sizes
    assert less < found < more


def test_a_part_with_a_name_is_selected_by_its_button(browser: Any, tmp_path: Path) -> None:
    portrait = tmp_path / "portrait.png"
    Image.fromarray(data.astronaut()).convert("L").resize((300, 300)).save(portrait)
    with run_server(StudioLoader.loaded(Studio(device="cpu")), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(portrait)
        assert pad.page.locator("[data-role=part]:visible").count() == 0
        pad.page.click("[data-tool=area]")
        pad.page.wait_for_selector("[data-role=part]")
        names = pad.page.locator("[data-role=part]").all_inner_texts()
        assert {"Skin", "Hair"} <= set(names)
        pad.page.click("[data-role=part] >> text=Skin")
        pad.page.wait_for_selector("[data-area-action=gray]")
        assert not pad.page.is_visible("[aria-label='Select more']"), "a part has one size"
        choose(pad, "gray")
        (area,) = areas(pad)
        assert area["made"] == {"by": "part", "name": "skin"}
        inside = np.asarray(Image.fromarray(drawn(area)).resize((300, 300)))
        assert inside[78, 129], "the nose"
        assert inside.mean() < 0.3
        pad.page.click("[data-role=part] >> text=Hair")
        pad.page.click("[data-area-action=color]")
        pad.page.wait_for_function(
            "() => document.querySelector(\"select[aria-label=Palette]\").value === 'Hair'"
        )
        assert pad.problems == []
        pad.close()


def test_keys_and_the_wheel_select_more_or_less(pad: BrowserPad) -> None:
    pad.page.click("[data-tool=area]")

    def size_after(act: Callable[[], None]) -> float:
        pad.click(105, 75)
        pad.page.wait_for_selector("[data-area-action=gray]")
        pad.settle()
        act()
        pad.settle()
        choose(pad, "gray")
        size: float = areas(pad)[-1]["made"]["size"]
        return size

    def turn() -> None:
        pad.page.keyboard.down("Alt")
        pad.page.mouse.wheel(0, 100)
        pad.page.keyboard.up("Alt")

    def press(key: str) -> Callable[[], None]:
        return lambda: pad.page.keyboard.press(key)

    assert size_after(press("]")) == 1.25
    assert size_after(press("[")) == 0.8
    assert size_after(turn) == 0.8
    assert pad.problems == []
