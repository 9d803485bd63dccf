"""Regions of a sketch in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_pad import BrowserPad, chromium, missing, watched_pad
from PIL import Image

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.guidance import Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import proposed_regions
from colorzoo.inference.steps.regions import filled_regions, proposal_hash
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
        run_server(StudioLoader.loaded(Studio(colorizer)), port=0) as (url, _),
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


def test_regions_are_accepted_and_skipped_in_model_order(
    pad: BrowserPad, sketch: Path, colorizer: Colorizer
) -> None:
    pad.open_ready(sketch)
    pad.page.keyboard.press("r")
    pad.page.wait_for_selector(".cz-region[aria-pressed=true]")
    image = read_image(sketch)
    regions = proposed_regions(colorizer.resolve(image, Recipe()))
    numbers = filled_regions(regions)
    assert pad.page.locator(".cz-region").count() == len(numbers) > 2
    suggested = pad.page.inner_text("text=Use the suggested color")
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
