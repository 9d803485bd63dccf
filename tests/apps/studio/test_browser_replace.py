"""Color replacement in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, watched_pad
from pads import pixels, tiny_studio

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.inference.colorizer import Colorizer
from tiny_model import tiny_model

AREA = {"action": "color", "path": [[60, 40], [150, 40], [150, 110], [60, 110]], "color": "#c04020"}


@pytest.mark.browser
def test_color_replacement_is_picked_adjusted_and_deleted(browser: Any, photo: Path, tmp_path: Path) -> None:
    with (
        run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.open_ready(photo)
        pad.page.evaluate("(area) => colorzooPad.setRecipe({ areas: [area] })", AREA)
        pad.settle()
        pad.page.focus(".cz-stage")
        pad.page.keyboard.press("q")
        pad.click(105, 75)
        pad.settle()
        (rule,) = pad.recipe()["replacements"]
        assert rule["old"] == rule["new"]
        pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#00ffff")
        pad.page.keyboard.press("Enter")
        pad.settle()
        assert pad.page.locator(".cz-unshown").is_visible()
        pad.page.keyboard.press("Control+z")  # undo removes the rule and the note
        pad.settle()
        assert "replacements" not in pad.recipe()
        assert not pad.page.locator(".cz-unshown").is_visible()
        pad.page.keyboard.press("Control+y")
        pad.settle()
        (rule,) = pad.recipe()["replacements"]
        assert rule["old"] != rule["new"]
        pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#2050c0")
        pad.page.keyboard.press("Enter")
        pad.page.fill("input[aria-label='Hue range']", "35")
        pad.page.fill("input[aria-label='Falloff']", "10")
        pad.settle()
        (rule,) = pad.recipe()["replacements"]
        assert (rule["range"], rule["fade"]) == (35, 10)
        shown = exported(pad, tmp_path / "new.png")
        assert np.array_equal(
            shown, np.asarray(Colorizer(tiny_model(), device="cpu", size=64)(photo, pad.recipe()))
        )
        red, _, blue = shown[75, 105].astype(int)
        assert blue > red + 20
        pad.tab("layers")
        pad.page.click("[aria-label='Delete replacement 1']")
        pad.settle()
        assert "replacements" not in pad.recipe()
        red, _, blue = exported(pad, tmp_path / "old.png")[75, 105].astype(int)
        assert red > blue + 20


def exported(pad: BrowserPad, target: Path) -> np.ndarray:
    pad.page.click("[data-action=export]")
    return pixels(pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes())
