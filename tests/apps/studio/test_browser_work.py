"""Saved work in a real browser: expired sessions, two tabs, large files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SIZE, BrowserPad
from pads import exemplar_file, pixels, tiny_studio
from PIL import Image

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.inference.colorizer import Colorizer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio() -> Studio:
    return tiny_studio(Limits(pixels=1_000_000))


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        yield url


def close_image(pad: BrowserPad) -> None:
    pad.page.click("summary")
    pad.page.click("text=Close the photo")
    pad.wait("empty")
    pad.next_frame()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return a second image with the size of `photo`."""
    target = tmp_path / "other.png"
    levels = np.linspace(20, 230, SIZE[0], dtype=np.uint8)
    Image.fromarray(np.broadcast_to(levels, SIZE[::-1])).save(target)
    return target


@pytest.fixture
def guided_pad(browser: Any, address: str) -> Iterator[BrowserPad]:
    """Return a pad whose model accepts all images that the user can attach."""

    def offer(hello: dict[str, Any]) -> None:
        for model in hello["models"]:
            model["guidance"] = ["points", "exemplar", "statistics"]

    opened = BrowserPad(browser, address, offer)
    yield opened
    opened.close()
    assert not opened.problems


def attach(pad: BrowserPad, slot: str, folder: Path) -> None:
    (folder / "reference.png").write_bytes(exemplar_file())
    pad.tab("reference")
    pad.choose_file(lambda: pad.page.click(f"[data-slot={slot}] .cz-drop"), folder / "reference.png")


def load(pad: BrowserPad, recipe: dict[str, Any], folder: Path) -> None:
    (folder / "edits.json").write_text(json.dumps(recipe))
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), folder / "edits.json")


def export(pad: BrowserPad, target: Path) -> np.ndarray:
    pad.page.click("[data-action=export]")
    return pixels(pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes())


def lock_object(pad: BrowserPad) -> None:
    pad.page.keyboard.press("w")
    pad.click(100, 75)
    pad.page.click("[data-area-action=lock]")


LATE = {  # type of the delayed reply, and the action that causes the reply
    "reference": ("attached", lambda pad, folder: attach(pad, "exemplar", folder)),
    "palette": ("attached", lambda pad, folder: attach(pad, "statistics", folder)),
    "edits": ("checked", lambda pad, folder: load(pad, {"strength": 0.5}, folder)),
    "area": ("kept", lambda pad, _: lock_object(pad)),
}


@pytest.mark.parametrize("name", LATE)
def test_late_replies_do_not_edit_the_next_photo(
    guided_pad: BrowserPad, photo: Path, other: Path, tmp_path: Path, name: str
) -> None:
    pad, (kind, act) = guided_pad, LATE[name]
    pad.open_ready(photo)
    with pad.delayed(kind):
        act(pad, tmp_path)
        pad.open(other)
        pad.page.wait_for_function("() => colorzooPad.photo().name === 'other.png'")
        before = pad.recipe()
    pad.settle()
    assert pad.recipe() == before
    assert pad.page.locator("[data-action=undo]").is_disabled()
    assert pad.toasts() == ""


def test_reloaded_work_keeps_its_reference_and_undo_history(
    guided_pad: BrowserPad, studio: Studio, photo: Path, tmp_path: Path
) -> None:
    pad = guided_pad
    pad.open_ready(photo)
    attach(pad, "exemplar", tmp_path)
    pad.page.wait_for_selector(".cz-figure:visible")
    more = [{"path": "second.png", "weight": 0.5}]
    exemplar = {"path": "reference.png", "alpha": 0.4, "weight": 2, "more": more, "x_from": "album"}
    steps = []
    for strength in (0.7, 0.5):
        recipe = {"exemplar": exemplar, "strength": strength}
        pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", recipe)
        steps.append(pad.recipe())
    assert steps[1]["exemplar"] == exemplar
    pad.page.wait_for_selector("[aria-label='Reference image'] >> text=first of 2 reference images")
    pad.settle()
    pad.page.wait_for_timeout(1500)  # the autosave runs after a pause
    pad.reload()
    pad.tab("reference")
    pad.page.wait_for_selector(".cz-figure:visible")
    pad.settle()
    assert pad.recipe() == steps[1]
    assert any(session.reference for session in studio.sessions._sessions.values() if session.connected)
    pad.page.keyboard.press("Control+z")
    assert pad.recipe() == steps[0]
    pad.page.click(".cz-figure:visible button")
    pad.page.wait_for_function("() => !colorzooPad.recipe().exemplar")
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert pad.recipe() == steps[0]


def test_edits_immediately_before_a_reload_are_kept(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    for count in range(1, 4):
        empty_pad.click(40 * count, 50)
        before = empty_pad.points()
        empty_pad.reload()
        assert empty_pad.points() == before
        assert len(before) == count
    empty_pad.page.keyboard.press("Control+z")
    assert len(empty_pad.points()) == 2


def test_a_reload_keeps_the_undo_history_of_a_long_recipe(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    mask = {"width": 500, "height": 500, "runs": "1 " * 249_999 + "1"}
    recipe = {"areas": [{"action": "gray", "mask": mask}]}
    empty_pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", recipe)
    for count in range(6):
        empty_pad.click(30 + 30 * count, 50)
    empty_pad.settle()
    empty_pad.page.wait_for_timeout(2000)  # the autosave runs after a pause
    empty_pad.reload()
    for count in reversed(range(6)):
        empty_pad.page.keyboard.press("Control+z")
        assert len(empty_pad.points()) == count
    empty_pad.page.keyboard.press("Control+z")
    assert "areas" not in empty_pad.recipe()


def test_images_opened_later_do_not_delete_saved_edits(
    empty_pad: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(40, 50)
    empty_pad.settle()
    for level in range(7):
        Image.new("L", SIZE, 30 * level).save(tmp_path / f"{level}.png")
        empty_pad.open(tmp_path / f"{level}.png")
        empty_pad.page.wait_for_function("(name) => colorzooPad.photo()?.name === name", arg=f"{level}.png")
        empty_pad.next_frame()
    close_image(empty_pad)
    names = empty_pad.page.locator(".cz-work-open").all_inner_texts()
    assert names == [*(f"{level}.png" for level in range(6, 0, -1)), photo.name]
    empty_pad.open_ready(photo)
    assert len(empty_pad.points()) == 1


def test_closing_an_idle_tab_keeps_the_edits_of_another_tab(empty_pad: BrowserPad, photo: Path) -> None:
    # at an insecure address, such as http://192.168.0.2, the browser offers no locks
    empty_pad.context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    empty_pad.page.reload()
    empty_pad.open_ready(photo)
    empty_pad.page.wait_for_timeout(1500)  # the autosave runs after a pause
    idle = empty_pad.new_tab()
    idle.settle()
    idle.page.wait_for_timeout(1500)
    empty_pad.click(60, 50)
    empty_pad.settle()
    empty_pad.page.close()
    idle.reload()
    assert len(idle.points()) == 1
    assert idle.problems == []


@pytest.mark.parametrize("opened_next", ["other", "same"])
def test_edits_while_another_photo_opens_are_kept(
    empty_pad: BrowserPad, photo: Path, other: Path, opened_next: str
) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(40, 50)
    empty_pad.click(80, 50)
    empty_pad.settle()
    empty_pad.page.wait_for_timeout(1500)  # the autosave runs after a pause
    with empty_pad.delayed("photo"):
        empty_pad.open(photo if opened_next == "same" else other)
        empty_pad.page.wait_for_selector(".colorzoo-pad[data-opening=true]")
        empty_pad.page.keyboard.press("Control+z")
        edited = empty_pad.points()
    empty_pad.settle()
    if opened_next == "other":
        empty_pad.open_ready(photo)
    assert len(edited) == 1
    assert empty_pad.points() == edited


def test_photo_opened_last_is_shown_and_a_canceled_photo_is_not(
    empty_pad: BrowserPad, photo: Path, other: Path, tmp_path: Path
) -> None:
    empty_pad.open_ready(photo)
    plain = export(empty_pad, tmp_path / "plain.png")
    with empty_pad.delayed("photo"):
        empty_pad.open(other)
        empty_pad.wait_for_delayed()
        empty_pad.page.click("[data-action=give-up]")
    empty_pad.settle()
    assert np.array_equal(export(empty_pad, tmp_path / "after.png"), plain)
    assert photo.name in empty_pad.page.inner_text(".cz-photo-name")


def test_pad_reopens_its_own_photo_after_a_reconnection(
    empty_pad: BrowserPad, studio: Studio, photo: Path, other: Path, tmp_path: Path
) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(60, 50)
    empty_pad.settle()
    plain = export(empty_pad, tmp_path / "plain.png")
    with empty_pad.delayed("photo", lost=True):  # the server has opened the photo
        empty_pad.open(other)
    empty_pad.settle()
    assert np.array_equal(export(empty_pad, tmp_path / "after.png"), plain)


def idle_for_two_hours(studio: Studio) -> None:
    clock = studio.sessions._clock
    studio.sessions._clock = lambda: clock() + 7200
    studio.sessions.remove_expired()
    assert all(session.opened is None for session in studio.sessions._sessions.values())


@pytest.mark.nightly
def test_pad_restores_an_expired_session_with_its_undo_history(browser: Any, photo: Path) -> None:
    studio = tiny_studio()
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(60, 50)
        pad.settle()
        idle_for_two_hours(studio)
        pad.page.keyboard.press("r")  # any request reopens the image
        pad.page.wait_for_function("() => colorzooPad.state() === 'ready'")
        assert pad.toasts() == ""
        idle_for_two_hours(studio)
        pad.click(180, 60)
        pad.settle()
        assert len(pad.points()) == 2
        for _ in range(2):
            pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []
        assert pad.toasts() == ""
        assert pad.problems == []
        pad.close()


@pytest.mark.nightly
def test_two_tabs_with_one_image_are_saved_separately(empty_pad: BrowserPad, photo: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(60, 50)
    empty_pad.settle()
    empty_pad.page.wait_for_timeout(1200)  # the autosave runs after a pause
    other = empty_pad.new_tab()
    other.page.wait_for_selector(".cz-toast >> text=Your work here is saved separately")
    other.settle()
    other.click(180, 60)
    other.click(120, 100)
    other.settle()
    close_image(other)
    empty_pad.click(30, 120)
    empty_pad.settle()
    close_image(empty_pad)
    names = empty_pad.page.locator(".cz-work-open").all_inner_texts()
    assert sorted(names) == [photo.name, f"{photo.name} (2)"]
    empty_pad.page.click(".cz-work-open >> text=(2)")
    empty_pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    empty_pad.settle()
    assert len(empty_pad.points()) == 3
    assert other.problems == []


@pytest.mark.nightly
def test_pad_proposes_a_sketch_model_for_a_sketch(empty_pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:14] = image[10:50, 60:62] = image[10:12, 12:62] = image[48:50, 12:62] = 0
    Image.fromarray(image).save(tmp_path / "drawing.png")
    empty_pad.open_ready(tmp_path / "drawing.png")
    assert "looks like a drawing" in empty_pad.toasts()
    assert empty_pad.page.get_attribute("[data-action=as-drawing]", "aria-pressed") == "false"
    empty_pad.page.click(".cz-toast button >> text=Color as a drawing")
    empty_pad.page.wait_for_selector("[data-action=as-drawing][aria-pressed=true]")  # drawn after the click
    assert empty_pad.recipe()["model"] == "colorzoo2026_drawing"
    empty_pad.open_ready(photo)
    assert empty_pad.page.get_attribute("[data-action=as-photo]", "aria-pressed") == "true"


def fill_storage(pad: BrowserPad) -> None:
    """Let the browser refuse to save, as with a full storage."""
    pad.page.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaError'); }; }"
    )


@pytest.mark.parametrize("way", ["other", "same", "close"])
def test_pad_asks_before_it_leaves_edits_that_the_browser_cannot_save(
    empty_pad: BrowserPad, photo: Path, other: Path, tmp_path: Path, way: str
) -> None:
    def leave() -> None:
        if way == "close":
            empty_pad.page.click("summary")
            empty_pad.page.click("text=Close the photo")
        else:
            empty_pad.open(photo if way == "same" else other)
        empty_pad.page.wait_for_selector("dialog[open] >> text=Unsaved edits")

    empty_pad.open_ready(photo)
    empty_pad.click(30, 50)
    empty_pad.settle()
    empty_pad.page.wait_for_timeout(1500)  # the autosave runs after a pause
    fill_storage(empty_pad)
    for count in range(1, 4):
        empty_pad.click(30 + 50 * count, 50)
    empty_pad.settle()
    edited = empty_pad.recipe()
    leave()
    empty_pad.page.keyboard.press("Escape")
    empty_pad.settle()
    assert empty_pad.recipe() == edited
    export(empty_pad, tmp_path / "same.png")  # the server has opened the photo again
    leave()
    saved = empty_pad.download(
        lambda: empty_pad.page.click("[data-action=leave-save]"), tmp_path / "saved.json"
    )
    assert json.loads(saved.read_text()) == edited
    empty_pad.page.wait_for_function("(count) => (colorzooPad.recipe()?.points ?? []).length < count", arg=4)


def test_pad_leaves_saved_edits_without_a_question(empty_pad: BrowserPad, photo: Path, other: Path) -> None:
    empty_pad.open_ready(photo)
    empty_pad.click(30, 50)
    empty_pad.settle()
    empty_pad.open_ready(other)
    fill_storage(empty_pad)
    empty_pad.open_ready(photo)  # the other photo has no edits
    assert len(empty_pad.points()) == 1


def test_fields_of_other_kinds_of_guidance_change_the_recipe(
    browser: Any, address: str, photo: Path, tmp_path: Path
) -> None:
    """The server does not know the kinds, so only the recipe and its undo steps are tested."""
    kinds = {"text": "text", "warmth": "number", "era": "choice", "sky": "image"}

    def offer(hello: dict[str, Any]) -> None:
        hello["kinds"] = [
            {"name": name, "widget": widget, "title": "", "choices": ["1900", "1950"]}
            for name, widget in kinds.items()
        ]
        for model in hello["models"]:
            model["guidance"] = ["points", "text", "warmth", "era", "sky"]

    pad = BrowserPad(browser, address, offer)
    pad.open_ready(photo)
    pad.tab("reference")
    fields = {name: pad.page.locator(f"[data-kind={name}]") for name in kinds}
    fields["text"].fill("red car")
    fields["warmth"].fill("0.5")
    fields["warmth"].press("Tab")
    fields["era"].select_option("1950")
    (tmp_path / "sky.png").write_bytes(exemplar_file())
    fields["sky"].set_input_files(tmp_path / "sky.png")
    pad.page.wait_for_function("() => colorzooPad.recipe().sky")
    recipe = pad.recipe()
    assert (recipe["text"], recipe["warmth"], recipe["era"]) == ("red car", 0.5, "1950")
    assert recipe["sky"].startswith("data:image/png;base64,")
    fields["text"].fill("")
    fields["text"].press("Tab")
    assert "text" not in pad.recipe()
    pad.page.click("[data-action=undo]")
    assert pad.recipe()["text"] == fields["text"].input_value() == "red car"
    pad.close()


def test_words_of_a_text_are_chips_and_words_without_effect_are_struck_out(browser: Any, photo: Path) -> None:
    studio = Studio(Colorizer("weng2022code_small", device="cpu", size=64))
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.tab("reference")
        field = pad.page.locator("[data-kind=text]")
        field.fill("red cars, boojum")
        field.press("Tab")
        chips = pad.page.locator(".cz-chip")
        pad.page.wait_for_function("() => document.querySelectorAll('.cz-chip').length === 3")
        assert chips.all_text_contents() == ["red", "cars", "boojum"]
        assert [chip.evaluate("el => el.classList.contains('cz-unused')") for chip in chips.all()] == [
            False,
            False,
            True,
        ]
        assert "unknown word" in (chips.nth(2).get_attribute("title") or "")
        field.fill("")
        field.press("Tab")
        pad.page.wait_for_function("() => !document.querySelector('.cz-chip')")
