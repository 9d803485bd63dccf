"""Saved work in a real browser: expired sessions, two tabs, large files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, watched_pad
from pads import tiny_studio
from PIL import Image

from colorzoo.studio import photo as photo_module
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Limits
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser
SLOW_STORE = """() => {
  const { get, set } = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, "oncomplete");
  const late = function (done) {
    set.call(this, (event) => setTimeout(() => done.call(this, event), this.mode === "readonly" ? 1500 : 0));
  };
  Object.defineProperty(IDBTransaction.prototype, "oncomplete", { configurable: true, get, set: late });
}"""


@pytest.fixture(scope="module")
def studio() -> Studio:
    return tiny_studio(Limits(pixels=1_000_000))


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        yield url


@pytest.fixture
def pad(browser: Any, address: str) -> Iterator[BrowserPad]:
    with watched_pad(browser, address) as opened:
        yield opened


def close_photo(pad: BrowserPad) -> None:
    pad.page.click("summary")
    pad.page.click("text=Close the photo")
    pad.wait("empty")
    pad.drawn()


def idle_for_two_hours(studio: Studio) -> None:
    clock = studio.sessions._clock
    studio.sessions._clock = lambda: clock() + 7200
    studio.sessions.remove_expired()
    assert all(session.photo is None for session in studio.sessions._sessions.values())


def test_an_expired_session_is_restored_with_undo(browser: Any, photo: Path) -> None:
    studio = tiny_studio()
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(60, 50)
        pad.settle()
        idle_for_two_hours(studio)
        pad.page.keyboard.press("r")  # any request brings the photo back
        pad.page.wait_for_function("() => colorzooPad.state() === 'ready'")
        assert pad.said() == ""
        idle_for_two_hours(studio)
        pad.click(180, 60)
        pad.settle()
        assert len(pad.points()) == 2
        for _ in range(2):
            pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []
        assert pad.said() == ""
        assert pad.problems == []
        pad.close()


def test_two_tabs_on_one_photo_are_saved_separately(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.settle()
    pad.page.wait_for_timeout(1200)  # the autosave waits for a pause
    other = pad.twin()
    other.page.wait_for_selector(".cz-toast >> text=Your work here is saved separately")
    pad.page.wait_for_selector(".cz-toast >> text=open in another tab, whose work")  # both are told
    other.settle()
    other.click(180, 60)
    other.click(120, 100)
    other.settle()
    close_photo(other)
    pad.click(30, 120)
    pad.settle()
    close_photo(pad)
    names = pad.page.locator(".cz-work-open").all_inner_texts()
    assert sorted(names) == [photo.name, f"{photo.name} (2)"]
    pad.page.click(".cz-work-open >> text=(2)")
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    assert len(pad.points()) == 3
    assert other.problems == []


def test_opening_a_photo_again_restores_its_work(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.settle()
    points = pad.points()
    close_photo(pad)
    pad.open_ready(photo)
    assert pad.points() == points
    assert "is restored" in pad.said()


def test_the_photo_of_the_command_line_stays_in_the_list(browser: Any, photo: Path) -> None:
    studio = tiny_studio()
    studio.offer(photo.read_bytes(), photo.name)
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        for count in (0, 1):  # untouched, and with work
            pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
            pad.settle()
            assert len(pad.points()) == count
            if not count:
                close_photo(pad)
                pad.page.click(".cz-work-open")
                pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
                pad.settle()
                pad.click(60, 50)
                pad.settle()
                close_photo(pad)
                pad.page.click(".cz-work-open")
        assert pad.problems == []
        pad.close()


def second_photo(folder: Path) -> Path:
    Image.fromarray(np.full((160, 240), 120, np.uint8)).save(folder / "second.png")
    return folder / "second.png"


def test_start_over_clears_the_photo_that_it_speaks_of(pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    second = second_photo(tmp_path)
    for each in (photo, second):
        pad.open_ready(each)
        pad.click(60, 50)
        pad.settle()
    for each in (photo, second):
        pad.open_ready(each)
        pad.page.wait_for_selector(f".cz-toast >> text=Your work on {each.name} is restored")
    assert photo.name not in pad.said()  # its message ended with it
    pad.page.click(".cz-toast button >> text=Start over")
    pad.settle()
    assert pad.points() == []
    pad.open_ready(photo)
    assert len(pad.points()) == 1


def test_a_reload_stays_with_the_open_photo(browser: Any, photo: Path, tmp_path: Path) -> None:
    studio = tiny_studio()
    studio.offer(photo.read_bytes(), photo.name)
    second = second_photo(tmp_path)
    with (
        run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
        pad.open_ready(second)
        pad.click(60, 50)
        pad.settle()
        points = pad.points()
        pad.page.wait_for_timeout(1500)  # the autosave waits for a pause
        pad.page.reload()
        pad.page.wait_for_selector(f".cz-photo-name >> text={second.name}", state="attached")
        pad.settle()
        assert pad.points() == points


def test_the_list_of_works_is_current_even_if_the_store_is_slow(pad: BrowserPad, photo: Path) -> None:
    pad.page.evaluate(SLOW_STORE)
    pad.open_ready(photo)
    for count in (1, 2):
        pad.click(60 * count, 50)
        pad.settle()
        close_photo(pad)
        pad.page.click(".cz-work-open")
        pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
        pad.settle()
        assert len(pad.points()) == count


def test_a_large_photo_is_previewed_at_once_and_can_be_cancelled(
    pad: BrowserPad, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pad.open_ready(photo)
    go_on, read = threading.Event(), photo_module.read_upload
    monkeypatch.setattr(photo_module, "LARGE", 1000)
    monkeypatch.setattr(photo_module, "read_upload", lambda *a, **k: go_on.wait(20) and read(*a, **k))
    Image.fromarray(np.full((90, 120), 99, np.uint8)).save(tmp_path / "large.jpg")
    pad.open(tmp_path / "large.jpg")
    pad.page.wait_for_selector("img.cz-glimpse")
    assert pad.page.locator("progress").get_attribute("aria-label")
    pad.page.click("[data-action=give-up]")
    pad.page.wait_for_selector("[data-action=give-up]", state="hidden")
    go_on.set()
    pad.settle()
    assert pad.page.inner_text(".cz-photo-name") == photo.name
    pad.click(60, 50)
    pad.settle()
    assert len(pad.points()) == 1
    assert pad.said() == ""


def test_a_photo_beyond_the_limit_is_refused_before_the_upload(pad: BrowserPad, tmp_path: Path) -> None:
    Image.new("L", (1200, 1000)).save(tmp_path / "large.png")
    sent = []
    pad.page.on("request", lambda request: sent.append(request.url) if "/api/upload" in request.url else None)
    pad.open(tmp_path / "large.png")
    assert "1200 x 1000" in pad.page.wait_for_selector(".cz-toast[data-kind=error]").inner_text()
    assert sent == []


def test_a_model_is_proposed_for_a_sketch(pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:14] = image[10:50, 60:62] = image[10:12, 12:62] = image[48:50, 12:62] = 0
    Image.fromarray(image).save(tmp_path / "drawing.png")
    pad.open_ready(tmp_path / "drawing.png")
    assert "looks like a drawing" in pad.said()
    proposal = pad.page.locator(".cz-panel button >> text=Color it as a drawing")
    assert proposal.is_visible()
    assert pad.page.locator(".cz-toast button >> text=Color it as a drawing").is_visible()
    pad.open_ready(photo)
    assert not proposal.is_visible()


def test_the_model_menu_is_grouped_and_lists_usable_models(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    groups = pad.page.eval_on_selector_all(
        "select[aria-label=Model] optgroup",
        "all => all.map(el => [el.label, [...el.children].map(({ text }) => text)])",
    )
    names = dict(groups)
    assert list(names) == [
        "Photos, by hand",
        "Photos, by a reference picture",
        "Photos, by itself",
        "Drawings",
    ]
    whole = [name for group in names.values() for name in group]
    for name in ("gray", "levin2004", "welsh2002", "feature_match", "zhang2017_local_small"):
        assert any(
            entry.endswith(f"({name})") for entry in whole
        )  # without "to download": these need no weights, or have them
    assert not any("(cho2023)" in entry for entry in whole)  # it has no weights anywhere
    assert any("(zhang2017_local), " in entry and "MB to download" in entry for entry in whole)
    pad.open_models()
    menu = pad.page.locator(".cz-model-menu")
    assert "more are not on this computer; the command “colorzoo weights list”" in menu.inner_text()
    purposes = pad.page.locator(".cz-purpose b").all_inner_texts()
    assert purposes[:4] == ["Natural", "Vivid", "From a reference", "Things in boxes"]
    assert purposes[-1] == "Sketch"


def test_focus_and_messages_never_block_the_picture(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    pad.page.fill(".cz-hex", "no color")
    pad.page.keyboard.press("Enter")
    words = pad.page.wait_for_selector(".cz-toast[data-kind=error] p")
    assert pad.page.get_attribute(".cz-hex", "aria-invalid") == "true"
    pad.page.keyboard.press("b")  # the field has given the keyboard back
    pad.page.wait_for_selector("[data-tool=brush][aria-pressed=true]", timeout=10_000)
    pad.page.keyboard.press("p")
    box, stage = words.bounding_box(), pad.page.query_selector(".cz-stage").bounding_box()
    assert box["x"] >= stage["x"] + stage["width"]  # beside the photo
    before = len(pad.points())
    pad.click(180, 60)
    pad.settle()
    assert len(pad.points()) > before
    assert pad.page.get_attribute(".cz-hex", "aria-invalid") is None
    pad.page.fill(".cz-hex", "#c04020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    assert pad.page.locator("[data-role=suggestion][aria-pressed=true]").count() <= 1


def test_one_suggestion_is_checked_and_the_check_box_stays(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    ticked = pad.page.locator("[data-role=suggestion][aria-pressed=true]")
    for key in "123":
        pad.page.keyboard.press(key)
        pad.settle()
        assert ticked.count() == 1
    pad.page.keyboard.press("Escape")
    box = pad.page.locator("text=For next points").locator("..").locator("input")
    pad.page.keyboard.press("k")
    pad.page.click(".cz-recent button >> nth=0")
    pad.page.fill(".cz-hex", "#c04020")
    pad.page.keyboard.press("Enter")
    pad.drawn()
    assert not box.is_checked()
    pad.click(100, 75)
    pad.settle()
    red = pad.points()[1]["ab"]
    assert red[0] > 15  # the one next point has taken it
    pad.click(130, 100)
    pad.settle()
    assert pad.points()[2]["ab"] != pytest.approx(red, abs=5)
    pad.page.click("summary")
    pad.page.click("text=Remove all hints")
    assert not pad.page.evaluate("() => document.querySelector('.cz-menu').open")
    pad.settle()


def test_a_phone_in_landscape_shows_everything(browser: Any, address: str, photo: Path) -> None:
    size = {"width": 844, "height": 390}
    pad = BrowserPad(browser, address, viewport=size, has_touch=True, is_mobile=True)
    pad.open_ready(photo)
    page = pad.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert page == [844, 390]
    for part in ("[data-action=export]", ".cz-stage-bar", ".cz-panel", ".cz-rail", "[data-action=next]"):
        box = pad.page.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 844
        assert box["y"] + box["height"] <= 390
    assert pad.page.locator(".cz-stage").bounding_box()["height"] > 250
    pad.close()
    assert pad.problems == []


@pytest.mark.nightly
def test_toasts_disappear(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.page.fill(".cz-hex", "no color")
    pad.page.keyboard.press("Enter")
    pad.page.wait_for_selector(".cz-toast[data-kind=error]")
    pad.page.hover(".cz-toast [aria-label=Close]")
    pad.page.wait_for_timeout(13_000)
    assert pad.page.locator(".cz-toast").count() == 1  # somebody is about to press it
    pad.page.mouse.move(5, 5)
    pad.page.wait_for_selector(".cz-toast", state="detached", timeout=14_000)


def test_preset_and_own_palettes(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(100, 75)
    pad.settle()
    names = pad.page.eval_on_selector_all("[aria-label=Palette] option", "all => all.map(el => el.value)")
    assert {
        "Skin",
        "Hair",
        "Eyes",
        "Teeth and nails",
        "Sky",
        "Grass and leaves",
        "Wood",
        "Brick",
        "Stone",
    } <= set(names)
    pad.page.select_option("select[aria-label=Palette]", "Brick")
    pad.drawn()
    swatches = swatches_of(pad)
    assert swatches.count() >= 5
    swatches.nth(0).click()
    pad.settle()
    assert pad.points()[0]["ab"][0] > 10
    pad.page.click("[data-action=keep-color]")
    pad.drawn()
    kept = pad.points()[0]["color"]
    assert pad.page.input_value("select[aria-label=Palette]") == "My colors 1"
    pad.page.wait_for_timeout(1200)  # the autosave waits for a pause
    pad.crash()
    pad.settle()
    assert pad.page.input_value("select[aria-label=Palette]") == "My colors 1"
    assert kept in swatches_of(pad).first.get_attribute("title")
    assert pad.page.locator(".cz-recent >> nth=0 >> button").count() >= 1  # recent colors too
    pad.page.click("[aria-label='Delete this palette']")
    pad.drawn()
    assert pad.page.input_value("select[aria-label=Palette]") not in ("My colors 1", "Recent colors")


def swatches_of(pad: BrowserPad) -> Any:
    return pad.page.locator("[aria-label='Colors of the palette'] button")
