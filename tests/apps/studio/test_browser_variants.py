"""Color variants of an area, and likely colorings of an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad, watched_pad
from pads import tiny_studio

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.inference.colorizer import Colorizer

pytestmark = pytest.mark.browser

AREA = {"action": "color", "path": [[60, 40], [150, 40], [150, 110], [60, 110]], "color": "#808080"}


@pytest.fixture
def address() -> Iterator[str]:
    """Return the address of a server for one test."""
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _):
        yield url


def open_variants(pad: BrowserPad) -> list[Any]:
    pad.page.click("[data-action=variants]")
    pad.wait_for_variants()
    tiles: list[Any] = pad.page.query_selector_all("[data-role=variant]")
    box = tiles[-1].bounding_box()
    assert box["y"] + box["height"] <= pad.page.viewport_size["height"]  # visible without scrolling
    return tiles


@pytest.mark.nightly
def test_area_color_can_be_chosen_from_variants(photo_pad: BrowserPad) -> None:
    photo_pad.page.evaluate("(area) => colorzooPad.setRecipe({ areas: [area] })", AREA)
    photo_pad.settle()
    photo_pad.tab("layers")
    photo_pad.page.click(".cz-layers .cz-hint-main")
    photo_pad.tab("color")
    tiles = open_variants(photo_pad)
    assert 2 <= len(tiles) <= 6
    assert photo_pad.recipe()["areas"][0]["color"] == "#808080"  # the tiles change nothing
    tiles[1].click()
    photo_pad.settle()
    assert photo_pad.recipe()["areas"][0]["color"] in tiles[1].get_attribute("aria-label")
    photo_pad.page.keyboard.press("Control+z")
    assert photo_pad.recipe()["areas"][0]["color"] == "#808080"
    photo_pad.settle()


@pytest.fixture
def default_pad(browser: Any, photo: Path) -> Iterator[BrowserPad]:
    studio = Studio(Colorizer("colorzoo2026", device="cpu", size=96))
    with (
        run_server(StudioLoader.loaded(studio), port=0) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        opened.open_ready(photo)
        yield opened


def colorings(pad: BrowserPad) -> list[Any]:
    """Wait for the last tile, and return the tiles of the likely colorings."""
    pad.page.wait_for_selector("[data-role=coloring]:nth-child(4) canvas")
    tiles: list[Any] = pad.page.query_selector_all("[data-role=coloring]")
    return tiles


@pytest.mark.nightly
def test_click_on_a_coloring_adds_one_point_for_the_whole_image(default_pad: BrowserPad) -> None:
    pad = default_pad
    tiles = colorings(pad)
    assert "points" not in pad.recipe()  # the tiles change nothing
    tiles[2].click()
    pad.settle()
    (point,) = pad.recipe()["points"]
    assert point["color"] in tiles[2].get_attribute("aria-label")
    assert point["reach"] == "everywhere"
    assert [tile.get_attribute("aria-pressed") for tile in tiles] == ["false", "false", "true", "false"]
    tiles[1].click()  # a different coloring replaces the point
    pad.settle()
    (other,) = pad.recipe()["points"]
    assert (other["x"], other["y"]) == (point["x"], point["y"])
    assert other["color"] in tiles[1].get_attribute("aria-label")
    tiles[1].click()  # a second click removes the point
    pad.settle()
    assert "points" not in pad.recipe()
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert pad.recipe()["points"] == [other]
