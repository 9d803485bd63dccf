"""Strokes, points without a color, and opening a second image, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SIZE, BrowserPad
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.nightly]

COLOR_FIELD = "[aria-label='Color as #rrggbb or R, G, B']"
LINE = {"path": [[30, 40], [90, 40]], "color": "#c04020", "size": 16, "opacity": 0.5}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return an image whose left half is dark."""
    levels = np.full((SIZE[1], SIZE[0]), 170, np.uint8)
    levels[:, :120] = 15
    target = tmp_path / "halves.png"
    Image.fromarray(levels).save(target)
    return target


@pytest.fixture
def pad(photo_pad: BrowserPad) -> BrowserPad:
    photo_pad.page.focus(".cz-stage")
    return photo_pad


def layer_names(pad: BrowserPad) -> list[str]:
    pad.next_frame()
    pad.tab("layers")
    rows = pad.page.locator(".cz-layers .cz-hint-main")
    return [str(rows.nth(index).get_attribute("aria-label")) for index in range(rows.count())]


@pytest.mark.parametrize("opacity", [1, 0.5])
def test_layer_list_merges_consecutive_strokes_of_one_color(pad: BrowserPad, opacity: float) -> None:
    line = {**LINE, "opacity": opacity}
    below = {**line, "path": [[30, 50], [90, 50]]}
    strokes = [line, below, {**line, "color": "#2050c0"}, line]
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", {"paint": strokes})
    names = [name.split(":")[0] + name.partition(",")[2].split(",")[0] for name in layer_names(pad)]
    assert names == ["Paint 3 1 stroke", "Paint 2 1 stroke", "Paint 1 2 strokes"]


def test_stroke_is_listed_by_its_color_and_selected_by_a_nearby_click(pad: BrowserPad) -> None:
    pad.page.keyboard.press("b")
    pad.page.fill(COLOR_FIELD, "#d04020")
    pad.page.keyboard.press("Enter")
    pad.drag((100, 80), (200, 80), steps=20)  # from the dark half
    pad.settle()
    points = pad.points()
    chroma = [float(np.hypot(*point["ab"])) for point in points]
    assert chroma[0] < 0.7 * max(chroma)
    row = str(pad.page.get_attribute(".cz-hints .cz-hint-main", "aria-label"))
    assert row.endswith(points[int(np.argmax(chroma))]["color"])

    pad.page.keyboard.press("p")
    between = (points[2]["x"] + points[3]["x"]) / 2
    pad.click(between, 80 + points[0]["radius"])
    pad.next_frame()
    assert len(pad.points()) == len(points)
    assert pad.page.get_attribute(".cz-hints .cz-hint-main", "aria-pressed") == "true"


def test_typed_color_outside_the_gamut_of_a_point_is_reported(pad: BrowserPad) -> None:
    """`#7b2f2f` on a light gray becomes pink: the difference is more than 10 CIE units."""
    pad.click(180, 60)
    pad.settle()
    note = pad.page.locator(".cz-unshown")
    for color, reported in {"#7b2f2f": True, "#b1aba7": False}.items():
        pad.page.fill(COLOR_FIELD, color)
        pad.page.keyboard.press("Enter")
        pad.settle()
        assert note.is_visible() == reported, color
        assert (pad.points()[0].get("wanted") == color) == reported
    pad.page.fill(COLOR_FIELD, "#7b2f2f")
    pad.page.keyboard.press("Enter")
    note.locator("button").click()  # Also change brightness
    pad.settle()
    assert pad.recipe()["areas"][0]["lightness"] == "color"


def test_typed_color_outside_the_gamut_of_a_stroke_is_reported(pad: BrowserPad) -> None:
    pad.page.keyboard.press("b")
    pad.page.fill(COLOR_FIELD, "#7b2f2f")
    pad.page.keyboard.press("Enter")
    note = pad.page.locator(".cz-unshown")
    assert not note.is_visible()
    pad.drag((160, 60), (200, 60), steps=10)
    pad.settle()
    assert {point["wanted"] for point in pad.points()} == {"#7b2f2f"}
    assert "not available" in pad.page.inner_text(".cz-hints .cz-hint-main")
    note.locator("button").click()  # Also change brightness
    pad.settle()
    (area,) = pad.recipe()["areas"]
    assert (area["color"], area["lightness"], pad.points()) == ("#7b2f2f", "color", [])
    pad.page.fill(COLOR_FIELD, "#2f2f7b")
    pad.page.keyboard.press("Enter")
    pad.next_frame()
    assert not note.is_visible(), "the brightness follows the color"
    pad.page.click("[data-tab=layers]")
    pad.page.uncheck(".cz-layer-details input[type=checkbox]")
    pad.tab("color")
    pad.page.fill(COLOR_FIELD, "#7b2f2f")
    pad.page.keyboard.press("Enter")
    pad.settle()
    assert note.is_visible()


def test_suggestions_have_color_names(pad: BrowserPad) -> None:
    pad.click(180, 60)
    pad.settle()
    label = str(pad.page.get_attribute("[data-role=suggestion]", "title"))
    assert re.fullmatch(r"1: [A-Z][a-z -]+, <?\d+\s% likely, #[0-9a-f]{6}", label)


def test_tool_change_removes_points_without_a_color(pad: BrowserPad) -> None:
    pad.click(60, 60)
    pad.settle()
    pad.page.keyboard.press("1")
    pad.click(160, 60)
    pad.settle()
    pad.page.keyboard.press("i")  # the picker can set the color of the point
    assert len(pad.points()) == 2
    pad.page.keyboard.press("Escape")
    pad.page.keyboard.press("Shift+B")
    pad.settle()
    (kept,) = pad.points()
    assert kept["x"] == pytest.approx(60, abs=1)


def test_pad_hides_details_of_the_old_image_while_another_opens(pad: BrowserPad, tmp_path: Path) -> None:
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", {"paint": [LINE]})
    pad.settle()
    pad.tab("layers")
    assert pad.page.is_visible(".cz-layers")
    other = tmp_path / "second.png"
    Image.new("L", (90, 70), 120).save(other)
    blocked: list[Any] = []
    pad.page.route("**/api/upload*", lambda route: blocked.append(route))
    pad.open(other)
    pad.page.wait_for_selector("[data-action=give-up]")
    pad.next_frame()
    assert pad.page.inner_text(".cz-photo-name") == "second.png"
    assert pad.page.inner_text(".cz-photo-size") == ""
    for part in (".cz-layers", "[data-action=next]"):
        assert not pad.page.is_visible(part)
    pad.page.click("[data-action=give-up]")
    pad.settle()
    assert pad.page.inner_text(".cz-photo-name") == "halves.png"
    assert pad.page.is_visible(".cz-layers")
    for route in blocked:
        route.abort()


def test_pointer_over_a_marked_point_explains_its_signs(pad: BrowserPad) -> None:
    pad.click(60, 50)  # in the dark half
    pad.page.fill(COLOR_FIELD, "#f0e020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    (point,) = pad.points()
    pad.page.mouse.move(*pad.place(62, 51))
    title = pad.page.get_attribute(".cz-stage", "title")
    assert title is not None
    assert title.startswith("≠: #f0e020")
    assert point["color"] in title
    pad.page.keyboard.press("l")
    pad.page.mouse.move(*pad.place(61, 50))
    assert "locked" in (pad.page.get_attribute(".cz-stage", "title") or "")
    pad.page.mouse.move(*pad.place(150, 50))
    assert pad.page.get_attribute(".cz-stage", "title") is None
