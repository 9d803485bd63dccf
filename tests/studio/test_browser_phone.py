"""The pad on a phone: named actions, help, comparisons and messages; words without keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad, check
from PIL import Image

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(browser: Any, address: str) -> Iterator[BrowserPad]:
    opened = BrowserPad(browser, address, **PHONE)
    yield opened
    opened.close()
    assert opened.problems == []


@pytest.fixture
def in_color(tmp_path: Path) -> Path:
    target = tmp_path / "in color.png"
    Image.effect_mandelbrot((120, 160), (-2, -1.5, 1, 1.5), 50).convert("L").save(target)
    with Image.open(target) as gray:
        Image.merge("RGB", (gray, gray.rotate(90).resize(gray.size), gray.rotate(180))).save(target)
    return target


def test_actions_on_a_phone_have_words_and_fit(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    for action, word in {
        "open": "Open",
        "undo": "Undo",
        "save": "Save",
        "load": "Load",
        "export": "Export",
        "help": "Help",
    }.items():
        button = phone.page.locator(f".cz-top [data-action={action}]")
        assert button.inner_text().strip() == word
        box = button.bounding_box()
        assert 0 <= box["x"] <= 390 - box["width"], action
    phone.page.tap(".cz-top [data-action=help]")
    words = phone.page.locator("dialog[open]").inner_text()
    assert words.index("a long press deletes") < words.index("Ctrl")


def test_entries_of_the_settings_have_words_on_a_phone(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    phone.page.tap(".cz-menu summary")
    assert phone.page.get_by_role("button", name="Remove all hints").inner_text() == "Remove all hints"
    phone.page.get_by_role("button", name="Close the photo").tap()
    phone.wait("empty")


def test_tools_of_a_phone_have_names_and_the_color_comes_first(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    phone.model("colorzoo2026")  # takes a reference, too
    tools = phone.page.locator(".cz-rail .cz-tool:visible")
    names = tools.all_inner_texts()
    assert names[0] == "Points"
    assert all(names)
    boxes = [tool.bounding_box() for tool in tools.all()]
    assert min(min(box["width"], box["height"]) for box in boxes) >= 44
    color, reference = (phone.page.locator(f"[aria-label={name}]").first for name in ("Color", "Reference"))
    assert color.bounding_box()["y"] < reference.bounding_box()["y"]
    phone.page.locator(".cz-rail").evaluate("(rail) => rail.scrollTo(1e4, 0)")
    last = phone.page.locator(".cz-rail .cz-sizing").bounding_box()
    assert last["x"] + last["width"] <= 390


def test_other_colors_on_a_phone_are_all_in_view(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    phone.page.touchscreen.tap(*phone.place(100, 75))
    phone.page.wait_for_selector("[data-role=suggestion]")
    phone.settle()
    phone.page.tap("[data-action=variants]")
    phone.wait_for_variants()
    panel = phone.page.locator(".cz-panel").bounding_box()
    tiles = [tile.bounding_box() for tile in phone.page.locator("[data-role=variant]").all()]
    assert len(tiles) > 3
    assert min(tile["y"] for tile in tiles) >= panel["y"]
    assert max(tile["y"] + tile["height"] for tile in tiles) <= 844


def test_a_phone_compares_side_by_side(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    phone.page.tap("[data-action=compare-side]")
    phone.settle()
    assert phone.page.get_attribute("[data-action=compare-side]", "aria-pressed") == "true"
    for part in (".cz-stage-bar .cz-segments", "[data-action=next]", "[data-action=fit]"):
        box = phone.page.locator(part).bounding_box()
        assert 0 <= box["x"] <= 390 - box["width"], part
    tops = {
        phone.page.locator(part).bounding_box()["y"] // 20
        for part in ("[data-action=compare-side]", "[data-action=fit]")
    }
    assert len(tops) == 1, "the bar takes one row"


def test_messages_on_a_phone_leave_the_photo_free(phone: BrowserPad, in_color: Path) -> None:
    phone.open_ready(in_color)
    message = phone.page.wait_for_selector(".cz-toast >> text=colors of its own")
    assert "“Before” shows them" in message.inner_text(), "a phone has no keys"
    stage = phone.page.locator(".cz-stage").bounding_box()
    box = phone.page.locator(".cz-toast").bounding_box()
    assert box["y"] >= stage["y"] + stage["height"]
    assert box["y"] + box["height"] <= 844


@pytest.mark.parametrize("size", [(1100, 700), (1280, 800), (1920, 1080)])
def test_messages_on_a_wide_screen_leave_the_photo_free(
    browser: Any, address: str, in_color: Path, size: tuple[int, int]
) -> None:
    pad = BrowserPad(browser, address, viewport={"width": size[0], "height": size[1]})
    pad.open_ready(in_color)
    pad.page.wait_for_selector(".cz-toast >> text=colors of its own")
    stage, box = (pad.page.locator(part).bounding_box() for part in (".cz-stage", ".cz-toast"))
    pad.close()
    assert box["x"] >= stage["x"] + stage["width"]
    assert box["y"] + box["height"] <= size[1]


def test_a_phone_says_tap_where_a_mouse_clicks(
    phone: BrowserPad, browser: Any, address: str, photo: Path
) -> None:
    phone.open_ready(photo)
    assert "Tap the picture" in phone.page.locator(".cz-panel").inner_text()
    pad = BrowserPad(browser, address)
    pad.open_ready(photo)
    words = pad.page.locator(".cz-panel").inner_text()
    pad.close()
    assert "Click the picture" in words


def test_boxes_to_check_are_large_enough(browser: Any, address: str, photo: Path) -> None:
    pad = BrowserPad(browser, address)
    pad.open_ready(photo)
    sides = pad.page.eval_on_selector_all(
        "input[type=checkbox]",
        "all => all.filter((el) => el.offsetParent).map((el) => Math.min(el.offsetWidth, el.offsetHeight))",
    )
    pad.close()
    assert sides
    assert min(sides) >= 24


def test_help_lists_only_what_the_model_can_do(browser: Any, address: str, photo: Path) -> None:
    pad = BrowserPad(browser, address)
    pad.open_ready(photo)
    listed = {}
    for model in ("tiny", "zhang2016_small"):
        if model != "tiny":
            pad.model(model)
        pad.page.keyboard.press("?")
        listed[model] = pad.page.locator("dialog[open]").inner_text()
        pad.page.keyboard.press("Escape")
    pad.close()
    assert "Where next?" in listed["tiny"]
    assert "Where next?" not in listed["zhang2016_small"]


def test_models_are_named_by_what_they_do(browser: Any, address: str, photo: Path) -> None:
    pad = BrowserPad(browser, address)
    pad.open_ready(photo)
    pad.open_models()
    shown = pad.page.locator(".cz-purposes").inner_text()
    entries = pad.page.locator("select[aria-label=Model] option").all_inner_texts()
    unnamed = pad.page.evaluate(check("UNNAMED"))
    pad.close()
    assert not re.search(r"[a-z]+20\d\d", shown)
    assert any(entry.startswith("Colors a photo by itself, vividly (zhang2016_small") for entry in entries)
    assert unnamed == []


def test_the_palette_of_a_new_point_fits_its_place(browser: Any, address: str, photo: Path) -> None:
    pad = BrowserPad(browser, address)
    pad.open_ready(photo)
    shown = [pad.page.input_value("select[aria-label=Palette]")]
    pad.click(60, 50)
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    pad.page.fill(".cz-hex", "#c4675f")
    pad.page.keyboard.press("Enter")
    pad.settle()
    palette = pad.page.locator("select[aria-label=Palette]")
    shown.append(palette.input_value())
    reach = pad.page.locator("[aria-label='Reach of the color']")
    reach.focus()
    for _ in range(6):
        pad.page.keyboard.press("ArrowLeft")
    pad.settle()
    shown.append(palette.input_value())
    pad.close()
    assert shown[0] == "Skin"
    assert shown[1] not in ("Recent colors", "Lips and cheeks", "Eyes", "Teeth and nails")
    assert shown[2] in ("Lips and cheeks", "Eyes", "Teeth and nails")
