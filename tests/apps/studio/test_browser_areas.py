"""Areas in a real browser: selecting objects, actions, undo, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad
from numpy.typing import NDArray
from pads import pixels
from PIL import Image
from skimage import data

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.guidance.areas import parse_mask
from colorzoo.guidance.fields import Fields

pytestmark = pytest.mark.browser

INSIDE, OUTSIDE = np.s_[55:95, 75:135], np.s_[:, 200:]


@pytest.fixture
def pad(photo_pad: BrowserPad) -> BrowserPad:
    photo_pad.page.focus(".cz-stage")
    photo_pad.page.keyboard.press("w")
    return photo_pad


def areas(pad: BrowserPad) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pad.recipe().get("areas", [])
    return found


def apply_action(pad: BrowserPad, action: str) -> None:
    """Apply an action to the selected object."""
    pad.page.click(f"[data-area-action={action}]")
    pad.page.wait_for_selector(".cz-select-bar", state="hidden")
    pad.settle()


def export(pad: BrowserPad, target: Path) -> NDArray[Any]:
    pad.page.click("[data-action=export]")
    return pixels(
        pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes()
    ).astype(int)


def area_mask(area: dict[str, Any]) -> NDArray[np.bool_]:
    mask = parse_mask(Fields({"mask": area["mask"]}, "area"))
    assert mask is not None
    return mask.array()


def choose_brush(pad: BrowserPad, name: str) -> None:
    pad.page.click(f"[aria-label='Selection mode'] >> text={name}")


def covered_mask(pad: BrowserPad) -> NDArray[np.bool_]:
    """Return the mask of the only area in image pixels."""
    (area,) = areas(pad)
    return np.asarray(Image.fromarray(area_mask(area)).resize((240, 160), Image.Resampling.NEAREST))


def test_click_selects_an_object_that_can_be_colored_and_undone(
    browser: Any, photo: Path, tmp_path: Path
) -> None:
    with run_server(StudioLoader.loaded(Studio(device="cpu")), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        plain = export(pad, tmp_path / "plain.png")
        pad.page.click("[data-tool=area]")
        pad.click(105, 75)
        pad.page.wait_for_selector("[data-area-action=color]")
        assert areas(pad) == [], "a selection alone changes nothing"
        apply_action(pad, "color")
        pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#2060c0")
        pad.page.keyboard.press("Enter")
        pad.settle()
        pad.page.fill("input[aria-label=Feather]:visible", "4")
        pad.settle()
        (area,) = areas(pad)
        assert area["feather"] > 1
        assert area["action"] == "color"
        assert area["made"]["by"] == "click"
        assert area["made"]["at"] == pytest.approx([105, 75], abs=1)
        inside = area_mask(area)
        assert inside[75, 105], "the mask has the size of the image"
        assert inside[50:100, 70:140].mean() > 0.9
        assert inside[:, 200:].mean() < 0.1
        recipe, ours = pad.recipe(), export(pad, tmp_path / "ours.png")
        assert (ours[INSIDE][..., 2] - ours[INSIDE][..., 0]).mean() > 40
        assert np.abs(ours - plain)[OUTSIDE].max() <= 1
        (tmp_path / "work.json").write_text(json.dumps(recipe))
        cli = tmp_path / "cli.png"
        assert main(["colorize", str(photo), "--recipe", str(tmp_path / "work.json"), "-o", str(cli)]) == 0
        assert np.array_equal(ours, pixels(cli.read_bytes()))
        for _ in range(3):
            pad.page.click("[data-action=undo]")
        assert areas(pad) == []
        pad.settle()
        assert pad.problems == []
        pad.close()


@pytest.mark.nightly
def test_part_button_selects_a_named_part(browser: Any, tmp_path: Path) -> None:
    portrait = tmp_path / "portrait.png"
    Image.fromarray(data.astronaut()).convert("L").resize((300, 300)).save(portrait)
    with run_server(StudioLoader.loaded(Studio(device="cpu")), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(portrait)
        assert pad.page.locator("[data-role=part]:visible").count() == 0
        pad.page.click("[data-tool=area]")
        pad.page.wait_for_selector("[data-role=part]")
        names = pad.page.locator("[data-role=part]").all_inner_texts()
        assert {"Skin", "Hair"} <= set(names)
        pad.page.click("[data-role=part] >> text=Skin")
        pad.page.wait_for_selector("[data-area-action=gray]")
        assert not pad.page.is_visible("[aria-label='Larger selection']"), "parts have no size setting"
        apply_action(pad, "gray")
        (area,) = areas(pad)
        assert area["made"] == {"by": "part", "name": "skin"}
        inside = np.asarray(Image.fromarray(area_mask(area)).resize((300, 300)))
        assert inside[78, 129], "the nose"
        assert inside.mean() < 0.3
        for clicks in (1, 2):  # a second click inside selects a part
            for _ in range(clicks):
                pad.click(129, 78)
                pad.settle()
            apply_action(pad, "gray")
        _, first, second = (area_mask(each) for each in areas(pad))
        assert second.mean() < 0.9 * first.mean()
        pad.page.click("[data-role=part] >> text=Hair")
        pad.page.click("[data-area-action=color]")
        pad.page.wait_for_function(
            "() => document.querySelector(\"select[aria-label=Palette]\").value === 'Hair'"
        )
        assert pad.problems == []
        pad.close()


@pytest.mark.nightly
def test_selection_brush_draws_extends_and_reduces_an_area(pad: BrowserPad) -> None:
    choose_brush(pad, "Add")
    pad.page.fill("input[aria-label=Size]:visible", "50")
    pad.drag((60, 60), (120, 60))
    apply_action(pad, "color")
    first = covered_mask(pad)
    assert first[60, 65:116].all()
    assert not first[90:].any()

    color = areas(pad)[0]["color"]
    pad.drag((90, 60), (90, 110))
    pad.settle()
    second = covered_mask(pad)
    assert second[100, 90]
    assert (second >= first).all()
    assert areas(pad)[0]["color"] == color

    choose_brush(pad, "Subtract")
    pad.drag((60, 60), (70, 60))
    pad.settle()
    third = covered_mask(pad)
    assert not third[60, 62:70].any()
    assert third[100, 90]
    pad.page.keyboard.press("Control+z")
    assert np.array_equal(covered_mask(pad), second)
    pad.settle()
