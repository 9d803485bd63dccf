"""The layer list in a real browser: visibility, opacity, feather and order, by mouse and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, watched_pad
from pads import pixels

from colorzoo.inference.colorizer import Colorizer
from tiny_model import tiny_model

pytestmark = pytest.mark.browser

RED, BLUE, GREEN = "#c04020", "#2050c0", "#30a060"
WORK: dict[str, Any] = {
    "areas": [
        {"action": "color", "path": [[20, 20], [120, 20], [120, 90], [20, 90]], "color": RED},
        {"action": "gray", "path": [[180, 100], [230, 100], [230, 150]]},
        {"action": "color", "path": [[80, 50], [180, 50], [180, 120], [80, 120]], "color": BLUE},
    ],
    "paint": [
        {"path": [[30, 130], [90, 130]], "color": GREEN, "size": 16},
        {"path": [[30, 138], [90, 138]], "color": GREEN, "size": 16},
        {"path": [[60, 120], [60, 150]], "color": RED, "size": 12},
    ],
    "replacements": [{"old": RED, "new": "#a030a0"}, {"old": BLUE, "new": "#30a0a0"}],
}
NAMES = ["Paint 2", "Paint 1", "Replacement 2", "Replacement 1", "Area 2", "Area 3", "Area 1"]


def open_work(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", WORK)
    pad.settle()


def names(pad: BrowserPad) -> list[str]:
    """Return the first part of all layer names, from top to bottom."""
    found = pad.page.locator(".cz-layers .cz-hint-main").evaluate_all(
        "(rows) => rows.map((row) => row.getAttribute('aria-label'))"
    )
    return [name.split(":")[0] for name in found]


def press(pad: BrowserPad, name: str) -> None:
    pad.page.get_by_role("button", name=name, exact=True).click()
    pad.settle()


def pick(pad: BrowserPad, name: str) -> None:
    pad.page.click(f".cz-layers .cz-hint-main[aria-label^='{name}']")


def set_slider(pad: BrowserPad, name: str, value: int) -> None:
    pad.page.fill(f"input[aria-label='{name}']", str(value))
    pad.settle()


def test_layer_list_hides_fades_and_moves_layers_with_undo(
    browser: Any, address: str, photo: Path, tmp_path: Path
) -> None:
    with watched_pad(browser, address) as pad:
        open_work(pad, photo)
        before = pad.recipe()
        pad.tab("layers")
        assert names(pad) == NAMES
        press(pad, "Hide paint 1")
        assert [stroke.get("hidden", False) for stroke in pad.recipe()["paint"]] == [True, True, False]
        pick(pad, "Paint 1")
        set_slider(pad, "Opacity of paint 1", 40)
        set_slider(pad, "Feather of paint 1", 80)
        pad.page.fill("[aria-label='Name of the layer']", "Coat")
        press(pad, "Show paint 1")
        assert pad.recipe()["paint"][0]["name"] == "Coat"
        pad.page.select_option(".cz-layer-details select[aria-label='Blend mode']", "saturation")
        pad.settle()
        assert [stroke.get("blend") for stroke in pad.recipe()["paint"]] == ["saturation", "saturation", None]
        coat = pad.recipe()["paint"][:2]
        assert {(each["opacity"], each["layer"]) for each in coat} == {(0.4, 1)}
        assert [each["hardness"] for each in coat] == pytest.approx([0.2, 0.2])
        press(pad, "Move up")
        assert [stroke["color"] for stroke in pad.recipe()["paint"]] == [RED, GREEN, GREEN]
        pick(pad, "Area 3")
        set_slider(pad, "Opacity of area 3", 60)
        set_slider(pad, "Feather of area 3", 6)
        press(pad, "Move down")
        assert names(pad) == NAMES, "numbers depend on the position in the list"
        colors = [area.get("color") for area in pad.recipe()["areas"]]
        assert colors == [BLUE, None, RED]
        assert pad.recipe()["areas"][0]["opacity"] == 0.6
        assert pad.recipe()["areas"][0]["feather"] > 1
        press(pad, "Hide replacement 2")
        pick(pad, "Replacement 1")
        set_slider(pad, "Opacity of replacement 1", 30)
        press(pad, "Move up")
        assert [each.get("hidden", False) for each in pad.recipe()["replacements"]] == [True, False]
        set_slider(pad, "Vibrance", 40)
        assert pad.recipe()["finish"] == {"vibrance": 40}
        pad.page.click("[data-action=export]")
        shown = pixels(
            pad.download(
                lambda: pad.page.click("[data-action=export-now]"), tmp_path / "shown.png"
            ).read_bytes()
        )
        wanted = Colorizer(tiny_model(), device="cpu", size=64)(photo, pad.recipe())
        assert np.array_equal(shown, np.asarray(wanted))
        for _ in range(14):
            pad.page.click("[data-action=undo]")
        pad.settle()
        assert pad.recipe() == before


def test_layer_list_moves_layers_and_hints_by_drag_and_keys(browser: Any, address: str, photo: Path) -> None:
    with watched_pad(browser, address) as pad:
        open_work(pad, photo)
        points = [{"x": x, "y": 80, "radius": 4, "color": color} for x, color in [(30, RED), (90, GREEN)]]
        paint = [{**WORK["paint"][2], "color": color} for color in (RED, GREEN, BLUE)]
        pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", {"points": points, "paint": paint})
        before = pad.recipe()
        pad.tab("layers")
        rows = pad.page.locator(".cz-layers .cz-hint-main")
        rows.nth(2).drag_to(rows.nth(0))
        assert [stroke["color"] for stroke in pad.recipe()["paint"]] == [GREEN, BLUE, RED]
        pad.next_frame()
        rows.nth(0).press("Alt+ArrowDown")
        assert [stroke["color"] for stroke in pad.recipe()["paint"]] == [GREEN, RED, BLUE]
        assert rows.nth(1).evaluate("(row) => row === document.activeElement")
        hints = pad.page.locator(".cz-hints:not(.cz-layers) .cz-hint-main")
        hints.nth(0).drag_to(hints.nth(1))
        assert [point["color"] for point in pad.recipe()["points"]] == [GREEN, RED]
        for _ in range(3):
            pad.page.click("[data-action=undo]")
        assert pad.recipe() == before
