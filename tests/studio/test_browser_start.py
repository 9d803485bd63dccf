"""The first seconds: the photo is there in gray while the models load, and no way of opening loses it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SLOW, BrowserPad
from pads import tiny_studio
from PIL import Image
from playwright.sync_api import Page

from colorzoo.studio import palette
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Limits
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.works import Works
from tiny_model import gray_picture

pytestmark = pytest.mark.browser


@contextmanager
def loading_page(browser: Any, photo: Path | None = None) -> Iterator[tuple[Page, StudioLoader]]:
    """Open a pad whose studio is still loading."""
    loader = StudioLoader(Limits(), photo)
    with run_server(loader, Address(port=0)) as (url, _):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(SLOW)
        page.goto(url)
        page.wait_for_selector(".colorzoo-pad")
        yield page, loader
        page.close()


def test_the_photo_is_shown_in_gray_while_the_models_load(browser: Any, photo: Path) -> None:
    with loading_page(browser, photo) as (page, loader):
        page.wait_for_function("() => document.querySelector('.cz-glimpse')?.naturalWidth > 0")
        shown = page.evaluate("() => performance.now()")
        assert page.inner_text(".cz-loading-card p") == "Loading models …"
        assert page.locator(".cz-progress").is_visible()
        before = page.locator(".cz-glimpse").bounding_box()
        print(f"gray photo shown after {shown:.0f} ms")
        studio = tiny_studio()
        studio.offer(photo.read_bytes(), photo.name)
        loader.finish(studio)
        page.wait_for_selector(".colorzoo-pad[data-state=ready]")
        left, top = page.evaluate("() => colorzooPad.toPage(0, 0)")
        size = page.evaluate("() => colorzooPad.photo()")
        scale = min(before["width"] / size["width"], before["height"] / size["height"])
        inner = (before["width"] - scale * size["width"]) / 2, (before["height"] - scale * size["height"]) / 2
        assert left == pytest.approx(before["x"] + inner[0], abs=2)  # it does not jump
        assert top == pytest.approx(before["y"] + inner[1], abs=2)


@pytest.mark.parametrize("way", ["header", "start", "drop", "paste"])
def test_a_photo_opened_while_the_models_load_is_opened_then(browser: Any, photo: Path, way: str) -> None:
    with loading_page(browser) as (page, loader):
        if way in ("header", "start"):
            with page.expect_file_chooser() as chooser:
                page.click("[data-action=open]" if way == "header" else ".cz-empty-card .cz-primary")
            chooser.value.set_files(photo)
        else:
            page.evaluate(GIVE_FILE, [way, photo.name, list(photo.read_bytes())])
        page.wait_for_selector(".cz-glimpse")
        assert page.inner_text(".cz-loading-card p") == "Loading models …"
        threading.Timer(1.0, lambda: loader.finish(tiny_studio())).start()
        page.wait_for_selector(".colorzoo-pad[data-state=ready]")
        assert page.evaluate("() => colorzooPad.photo().name") == photo.name
        assert page.inner_text(".cz-toasts") == ""


GIVE_FILE = """([way, name, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const target = document.querySelector(".colorzoo-pad");
  const more = { bubbles: true, cancelable: true };
  const event = way === "drop" ? new DragEvent("drop", { dataTransfer: transfer, ...more })
    : new ClipboardEvent("paste", { clipboardData: transfer, ...more });
  (way === "drop" ? target : document).dispatchEvent(event);
}"""


def test_points_and_undo_come_back_on_another_port(browser: Any, photo: Path, tmp_path: Path) -> None:
    works = Works(tmp_path / "works")
    with run_server(StudioLoader.loaded(tiny_studio(works=works)), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        for place in ((60, 50), (180, 60)):
            pad.click(*place)
            pad.settle()
            pad.page.click("[data-role=suggestion] >> nth=2")
            pad.settle()
        points = pad.points()
        pad.page.wait_for_timeout(1200)
        pad.close()
    assert len(list(works.folder.glob("*.json"))) == 1
    with run_server(StudioLoader.loaded(tiny_studio(works=works)), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        assert pad.points() == points
        for left in (1, 0):  # each click with its choice is a step of undo
            pad.page.keyboard.press("Control+z")
            pad.settle()
            assert len(pad.points()) == left
        pad.page.keyboard.press("Control+Shift+z")
        assert len(pad.points()) == 1
        pad.close()


def test_a_click_that_chooses_nothing_changes_nothing(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(60, 50)
        pad.settle()
        pad.page.click("[data-role=suggestion] >> nth=3")
        pad.settle()
        before = pad.recipe()
        pad.click(180, 100)
        pad.settle()
        recipe = pad.recipe()
        assert len(recipe.pop("studio")["untouched"]) == 1
        assert recipe == before  # the same recipe gives the same pixels
        assert len(pad.points()) == 2
        pad.page.click("[data-role=suggestion] >> nth=3")
        pad.settle()
        assert len(pad.recipe()["points"]) == 2
        pad.close()


def test_a_point_with_its_first_color_is_one_step_of_undo(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(100, 75)
        pad.settle()
        for color in ("#804020", "#406080"):
            pad.page.fill(".cz-hex", color)
            pad.page.keyboard.press("Enter")
            pad.settle()
        second = pad.points()
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() != second
        assert len(pad.recipe()["points"]) == 1
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []
        pad.page.keyboard.press("Control+y")
        pad.settle()
        assert len(pad.recipe()["points"]) == 1
        pad.close()


def test_enter_sets_a_point_where_a_color_helps_most(
    browser: Any, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(palette, "next_point", lambda *_: (16.0, 24.0))  # of 96 by 64 pixels
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.page.focus(".cz-stage")
        pad.page.keyboard.press("r")
        pad.page.wait_for_selector("text=A color helps most here", state="attached")
        pad.page.keyboard.press("Enter")
        pad.settle()
        (point,) = pad.points()
        assert (point["x"], point["y"]) == pytest.approx((40, 60), abs=1)
        pad.close()


def test_the_list_of_steps_jumps(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        for x in (40, 80, 120, 160):
            pad.click(x, 75)
            pad.settle()
        four = pad.points()
        pad.page.keyboard.press("Escape")
        pad.page.click("text=Steps, newest last")
        pad.drawn()
        steps = pad.page.locator(".cz-step")
        assert steps.all_inner_texts() == ["Start", *["add point"] * 4]
        for count in (1, 4, 0, 3):
            steps.nth(count).click()
            pad.settle()
            assert pad.points() == four[:count]
            assert pad.page.locator(".cz-step[aria-current]").count() == 1
            assert steps.nth(count).get_attribute("aria-current") == "step"
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert steps.nth(2).get_attribute("aria-current") == "step"
        pad.click(60, 120)
        pad.settle()
        assert steps.count() == 4
        assert pad.problems == []
        pad.close()


def test_the_help_lists_what_the_model_can_do(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.page.keyboard.press("?")
        words = pad.page.inner_text(".cz-help")
        assert "Take suggestion 1 to 9" in words
        assert "Edge scribble" not in words
        assert "Skip the region" not in words
        pad.close()


def test_an_offer_to_change_the_lightness_ends_with_its_point(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        offer = pad.page.get_by_text("Let the lightness follow")
        undo = lambda: pad.page.keyboard.press("Control+z")  # noqa: E731
        for wanted, leave in (("#0000ff", lambda: pad.click(200, 20)), ("#ff0000", undo)):
            pad.click(100, 75)
            pad.settle()
            pad.page.fill(".cz-hex", wanted)
            pad.page.keyboard.press("Enter")
            offer.wait_for()
            leave()
            pad.drawn()
            assert not offer.is_visible()
            if leave is not undo:  # the point keeps its mark
                pad.click(100, 75)
                offer.wait_for()
                assert "#0000ff does not fit this lightness" in pad.page.inner_text("[aria-label=Hints]")
                assert pad.recipe()["points"][0]["wanted"] == wanted
                pad.page.click(".cz-suggestion >> nth=0")
                pad.drawn()
                assert not offer.is_visible()
                pad.page.keyboard.press("Escape")
        pad.close()


def test_the_menu_shows_this_photo_by_each_model(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.open_models()
        vivid = pad.page.locator(".cz-purpose", has_text="Vivid")
        vivid.locator("img").wait_for()
        assert "strong colors" in vivid.inner_text()
        assert vivid.get_attribute("title") == "kang2023_small"
        vivid.click()
        pad.settle()
        assert pad.recipe()["model"] == "kang2023_small"
        assert pad.page.inner_text(".cz-model b") == "Vivid"
        assert not pad.page.locator(".cz-purposes").is_visible()
        pad.close()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_all_about_a_point_fits_without_scrolling(browser: Any, photo: Path, size: tuple[int, int]) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url, viewport={"width": size[0], "height": size[1]})
        pad.open_ready(photo)
        for place in ((60, 50), (180, 60)):
            pad.click(*place)
            pad.settle()
            pad.page.click("[data-role=suggestion] >> nth=3")
            pad.settle()
        scroll, height = pad.page.evaluate(
            "() => ['scrollHeight', 'clientHeight'].map((name) => document.querySelector('.cz-panel')[name])"
        )
        assert scroll <= height
        pad.close()


def test_sliders_are_large_enough_for_fingers_on_a_phone(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
        pad = BrowserPad(browser, url, **phone)
        pad.open_ready(photo)
        heights = pad.page.eval_on_selector_all(
            "input[type=range]", "all => all.filter((el) => el.offsetParent).map((el) => el.offsetHeight)"
        )
        assert heights
        assert min(heights) >= 44
        boxes = "all => all.filter((el) => el.offsetParent).map((el) => [el.offsetWidth, el.offsetHeight])"
        assert min(min(pad.page.eval_on_selector_all("input[type=checkbox]", boxes))) >= 24
        pad.close()


def test_a_panorama_is_not_a_thread(browser: Any, tmp_path: Path) -> None:
    Image.fromarray(gray_picture(200, 3200)).save(tmp_path / "wide.png")
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(tmp_path / "wide.png")
        assert pad.place(0, 200)[1] - pad.place(0, 0)[1] > 150
        pad.page.keyboard.press("0")
        pad.drawn()
        assert pad.place(0, 0)[0] >= 56  # all of it
        pad.close()


def test_transparent_parts_show_a_checkerboard(browser: Any, tmp_path: Path) -> None:
    gray = gray_picture(120, 160)
    alpha = np.full_like(gray, 255)
    alpha[:, :80] = 0
    Image.fromarray(np.dstack([gray, gray, gray, alpha])).save(tmp_path / "cut.png")
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(tmp_path / "cut.png")
        (left, top), (right, bottom) = pad.place(5, 5), pad.place(75, 115)
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        with Image.open(io.BytesIO(pad.page.screenshot(clip=clip))) as image:
            levels = np.asarray(image.convert("L")).ravel()
        shares = [((levels > level - 4) & (levels < level + 4)).mean() for level in (204, 252)]
        assert min(shares) > 0.3
        pad.page.click("[data-action=export]")
        said = pad.page.locator("dialog[open] .cz-hint")
        assert "stay transparent" in said.inner_text()
        pad.page.check("input[value=jpeg]")
        assert "become opaque" in said.inner_text()
        pad.close()


def test_a_color_that_only_lies_in_shade_is_not_marked(browser: Any, tmp_path: Path) -> None:
    levels = np.repeat(np.array([[4], [60], [245]], np.uint8), 60, axis=0).repeat(240, axis=1)
    bands = tmp_path / "bands.png"
    Image.fromarray(levels).save(bands)
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(bands)
        offer = pad.page.get_by_text("Let the lightness follow")
        for y, offered in ((90, False), (30, True), (150, True)):  # in shade, black, and nearly white
            pad.click(120, y)
            pad.settle()
            pad.page.fill(".cz-hex", "#b5763a")
            pad.page.keyboard.press("Enter")
            pad.settle()
            assert offer.is_visible() == offered
            assert ("wanted" in pad.recipe()["points"][-1]) == offered
        pad.close()
