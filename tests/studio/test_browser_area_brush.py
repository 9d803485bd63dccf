"""The brush that adds to an area and takes from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, watched_pad
from numpy.typing import NDArray

from colorzoo.guidance.areas import parse_mask
from colorzoo.guidance.fields import Fields

pytestmark = pytest.mark.browser


@pytest.fixture
def pad(browser: Any, address: str, photo: Path) -> Iterator[BrowserPad]:
    with watched_pad(browser, address) as opened:
        opened.open_ready(photo)
        opened.page.focus(".cz-stage")
        opened.page.keyboard.press("w")
        yield opened


def brush(pad: BrowserPad, name: str) -> None:
    pad.page.click(f"[aria-label='Selection mode'] >> text={name}")


def make_area(pad: BrowserPad, action: str) -> None:
    """Choose what happens to the selection."""
    pad.page.click(f"[data-area-action={action}]")
    pad.page.wait_for_selector(".cz-select-bar", state="hidden")
    pad.settle()


def covered(pad: BrowserPad) -> NDArray[np.bool_]:
    """Return the only area's mask in pixels of the photo."""
    (area,) = pad.recipe()["areas"]
    mask = parse_mask(Fields({"mask": area["mask"]}, "area"))
    assert mask is not None
    rows = np.arange(160) * mask.height // 160
    columns = np.arange(240) * mask.width // 240
    return mask.array()[rows[:, None], columns]


@pytest.mark.nightly
def test_an_area_is_drawn_by_the_brush_changed_and_undone(pad: BrowserPad) -> None:
    brush(pad, "Add")
    pad.page.fill("input[aria-label=Size]:visible", "50")
    pad.drag((60, 60), (120, 60))
    make_area(pad, "color")
    first = covered(pad)
    assert first[60, 65:116].all()
    assert not first[90:].any()

    color = pad.recipe()["areas"][0]["color"]
    pad.drag((90, 60), (90, 110))
    pad.settle()
    second = covered(pad)
    assert second[100, 90]
    assert (second >= first).all()
    assert pad.recipe()["areas"][0]["color"] == color

    brush(pad, "Subtract")
    pad.drag((60, 60), (70, 60))
    pad.settle()
    third = covered(pad)
    assert not third[60, 62:70].any()
    assert third[100, 90]
    pad.page.keyboard.press("Control+z")
    assert np.array_equal(covered(pad), second)
    pad.settle()
