"""Regions of a sketch in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser_pad import BrowserPad, chromium, missing, watched_pad
from PIL import Image

from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import full_lightness, shrink_lightness
from colorzoo.inference.pipeline import divided_regions, proposed_regions
from colorzoo.inference.steps.regions import filled_regions, proposal_hash
from colorzoo.pictures.read import read_picture
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio
from tiny_model import tiny_painter

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_painter(), device="cpu", precision="float32", size=64)


@pytest.fixture
def pad(colorizer: Colorizer) -> Iterator[BrowserPad]:
    if (reason := missing()) is not None:
        pytest.skip(f"missing, not passed: {reason}")
    with (
        chromium() as browser,
        run_server(StudioLoader.loaded(Studio(colorizer)), Address(port=0)) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        yield opened


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:14] = image[10:50, 60:62] = image[10:12, 12:62] = image[48:50, 12:62] = 0
    path = tmp_path / "sketch.png"
    Image.fromarray(image).save(path)
    return path


def test_regions_are_accepted_and_skipped_in_the_order_of_the_model(
    pad: BrowserPad, sketch: Path, colorizer: Colorizer
) -> None:
    pad.open_ready(sketch)
    pad.page.keyboard.press("r")
    pad.page.wait_for_selector(".cz-region[aria-pressed=true]")
    picture = read_picture(sketch)
    regions = proposed_regions(colorizer.stages(), colorizer.job(picture, Recipe()))
    numbers = filled_regions(regions)
    assert pad.page.locator(".cz-region").count() == len(numbers) > 2
    suggested = pad.page.inner_text("text=as painted")
    pad.page.keyboard.press("a")
    pad.settle()
    pad.page.keyboard.press("s")
    pad.page.keyboard.press("a")
    pad.settle()
    recipe = pad.recipe()
    assert [region["index"] for region in recipe["regions"]] == [numbers[0], numbers[2]]
    assert recipe["regions"][0]["color"] in suggested
    assert recipe["studio"]["skipped"] == [numbers[1]]
    assert recipe["proposal"] == proposal_hash(regions)
    notes = colorizer.colorize(picture, Recipe.from_json(recipe)).notes
    assert any(f"region {numbers[1]} was left out" in note for note in notes)


def drawn(pad: BrowserPad) -> list[dict[str, Any]]:
    return pad.recipe().get("divisions", [])


def tiles(pad: BrowserPad) -> int:
    return pad.page.locator(".cz-region:not([hidden])").count()


def expect_tiles(pad: BrowserPad, count: int) -> None:
    """Wait for the regions, which follow the picture."""
    shown = "count => document.querySelectorAll('.cz-region:not([hidden])').length === count"
    pad.page.wait_for_function(shown, arg=count)


def test_regions_are_cut_outlined_joined_and_their_borders_hidden(
    pad: BrowserPad, sketch: Path, colorizer: Colorizer
) -> None:
    pad.open_ready(sketch)
    pad.page.keyboard.press("r")
    pad.page.wait_for_selector(".cz-region[aria-pressed=true]")
    count = tiles(pad)
    pad.page.keyboard.press("d")
    corners = ((20, 18), (50, 18), (50, 40), (20, 40), (21, 19))
    pad.drag(corners[0], *corners[1:])
    pad.settle()
    (loop,) = drawn(pad)
    assert loop["closed"]
    recipe = Recipe.from_json(pad.recipe())
    found = divided_regions(colorizer.stages(), colorizer.job(read_picture(sketch), recipe))
    expect_tiles(pad, len(filled_regions(found)))
    pad.click(35, 30)
    pad.page.fill(".cz-hex", "#c04020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    (colored,) = pad.recipe()["regions"]
    assert colored == {"index": int(found.index[0, 0, 30, 35]), "color": "#c04020"}

    pad.drag((35, 12), (35, 46))
    pad.settle()
    assert [division.get("closed", False) for division in drawn(pad)] == [True, False]
    recipe = Recipe.from_json(pad.recipe())
    shown = len(
        filled_regions(divided_regions(colorizer.stages(), colorizer.job(read_picture(sketch), recipe)))
    )
    assert shown > len(filled_regions(found))
    expect_tiles(pad, shown)
    others = pad.page.locator(".cz-region:not([hidden])")
    others.nth(0).click()
    others.nth(1).click(modifiers=["Shift"])
    pad.page.click("text=Join")
    pad.settle()
    expect_tiles(pad, shown - 1)
    assert len(pad.recipe()["studio"]["merged"][0]) == 2
    pad.page.click("text=Take apart")
    expect_tiles(pad, shown)

    marks = pad.page.locator("canvas").nth(1)
    with_lines = marks.screenshot()
    pad.page.click("text=Outlines")
    pad.page.wait_for_timeout(100)
    assert marks.screenshot() != with_lines
    for _ in range(6):
        pad.page.keyboard.press("Control+z")
    pad.settle()
    assert drawn(pad) == []
    expect_tiles(pad, count)


def lightness(picture: Any) -> torch.Tensor:
    return shrink_lightness(full_lightness(picture.rgb), picture.rgb.shape[:2])
