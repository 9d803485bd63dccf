"""Visibility of color controls, markers and the crop in the drawing pad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser_pad import BrowserPad, check

pytestmark = [pytest.mark.browser, pytest.mark.nightly]
FIRST_SCREEN = [
    ".cz-wheel",
    "[aria-label='Colors of the palette']",
    "[aria-label='Spread of the color']",
    "[aria-label=Opacity]:visible",
]


@pytest.fixture
def pad(empty_pad: BrowserPad, photo: Path) -> BrowserPad:
    empty_pad.page.set_viewport_size({"width": 1366, "height": 768})
    empty_pad.open_ready(photo)
    return empty_pad


def test_color_controls_fit_the_first_screen_and_do_not_move(pad: BrowserPad) -> None:
    for part in FIRST_SCREEN:
        box = pad.page.locator(part).bounding_box()
        assert box is not None, part
        assert box["y"] + box["height"] <= 768, part
    pad.page.set_viewport_size({"width": 1280, "height": 768})
    bar = pad.page.locator(".cz-options")
    assert bar.evaluate("(bar) => bar.scrollWidth <= bar.clientWidth")
    pad.click(60, 50)
    pad.next_frame()
    before = pad.page.locator(".cz-wheel").bounding_box()
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    assert pad.page.locator(".cz-wheel").bounding_box() == before


def test_markers_are_hidden_by_the_tab_key_and_while_painting(pad: BrowserPad) -> None:
    def is_marked() -> bool:
        pad.next_frame()
        x = pad.place(120, 80)[0] - pad.page.locator(".cz-stage").bounding_box()["x"]
        middle = pad.page.locator(".cz-stage").bounding_box()["width"] / 2
        marked: bool = pad.page.evaluate(check("MARKED"), middle - x)
        return marked

    pad.click(120, 80)
    pad.page.mouse.move(5, 5)
    pad.settle()
    pad.page.focus(".cz-stage")
    assert is_marked()
    pad.page.keyboard.press("Tab")
    assert not is_marked()
    pad.page.keyboard.press("Tab")
    assert is_marked()
    pad.page.keyboard.press("1")  # set a color, so that the point remains after the tool change
    pad.page.keyboard.press("Shift+B")
    assert not is_marked()


def test_fit_shows_only_the_crop_and_undo_shows_the_full_image(pad: BrowserPad) -> None:
    whole = np.subtract(pad.place(240, 160), pad.place(0, 0))
    recipe = {"crop": {"x": 60, "y": 40, "width": 100, "height": 60, "angle": 5}}
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", recipe)
    pad.page.click("[data-action=fit]")
    pad.next_frame()
    size = np.subtract(pad.place(160, 70), pad.place(60, 70))
    assert np.hypot(*size) / 100 > 1.5 * whole[0] / 240
    assert size[1] < 0  # rotated back by 5 degrees
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert np.subtract(pad.place(240, 160), pad.place(0, 0)) == pytest.approx(whole)
