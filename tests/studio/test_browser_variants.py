"""Other colors for an area or a point, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad, watched_pad
from pads import tiny_studio

from colorzoo.inference.colorizer import Colorizer
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser

AREA = {"action": "color", "path": [[60, 40], [150, 40], [150, 110], [60, 110]], "color": "#808080"}


@pytest.fixture
def pad(browser: Any, photo: Path) -> Iterator[BrowserPad]:
    with (
        run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        opened.open_ready(photo)
        yield opened


def ask(pad: BrowserPad) -> list[Any]:
    pad.page.click("[data-action=variants]")
    pad.wait_for_variants()
    tiles: list[Any] = pad.page.query_selector_all("[data-role=variant]")
    box = tiles[-1].bounding_box()
    assert box["y"] + box["height"] <= pad.page.viewport_size["height"]  # nobody has to scroll to see them
    return tiles


@pytest.mark.nightly
def test_an_area_takes_one_of_several_answers(pad: BrowserPad) -> None:
    pad.page.evaluate("(area) => colorzooPad.setRecipe({ areas: [area] })", AREA)
    pad.settle()
    pad.tab("layers")
    pad.page.click(".cz-layers .cz-hint-main")
    pad.tab("color")
    tiles = ask(pad)
    assert 2 <= len(tiles) <= 6
    assert pad.recipe()["areas"][0]["color"] == "#808080"  # looking changes nothing
    tiles[1].click()
    pad.settle()
    assert pad.recipe()["areas"][0]["color"] in tiles[1].get_attribute("aria-label")
    pad.page.keyboard.press("Control+z")
    assert pad.recipe()["areas"][0]["color"] == "#808080"
    pad.settle()


@pytest.fixture
def default_pad(browser: Any, photo: Path) -> Iterator[BrowserPad]:
    studio = Studio(Colorizer("colorzoo2026", device="cpu", size=96))
    with (
        run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        opened.open_ready(photo)
        yield opened


def colorings(pad: BrowserPad) -> list[Any]:
    """Return the tiles of the likely colorings once the last one is there."""
    pad.page.wait_for_selector("[data-role=coloring]:nth-child(4) canvas")
    tiles: list[Any] = pad.page.query_selector_all("[data-role=coloring]")
    return tiles


@pytest.mark.nightly
def test_one_click_begins_with_a_likely_coloring_of_the_whole_photo(default_pad: BrowserPad) -> None:
    pad = default_pad
    tiles = colorings(pad)
    assert "points" not in pad.recipe()  # looking changes nothing
    tiles[2].click()
    pad.settle()
    (point,) = pad.recipe()["points"]
    assert point["color"] in tiles[2].get_attribute("aria-label")
    assert point["reach"] == "everywhere"
    assert [tile.get_attribute("aria-pressed") for tile in tiles] == ["false", "false", "true", "false"]
    tiles[1].click()  # another one takes its place
    pad.settle()
    (other,) = pad.recipe()["points"]
    assert (other["x"], other["y"]) == (point["x"], point["y"])
    assert other["color"] in tiles[1].get_attribute("aria-label")
    tiles[1].click()  # the same once more leaves it
    pad.settle()
    assert "points" not in pad.recipe()
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert pad.recipe()["points"] == [other]
