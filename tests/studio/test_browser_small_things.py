"""A new point in a small thing begins with a small reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser_pad import watched_pad
from pads import DirectPad, tiny_studio

from colorzoo.studio import regions
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server


@pytest.mark.browser
def test_a_point_takes_the_small_reach_until_another_is_chosen(
    browser: Any, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(_: object, place: tuple[float, float]) -> float | str:
        return 0.5 if place[0] < 120 else "automatic"

    monkeypatch.setattr(regions, "starting_reach", small)
    with (
        run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.open_ready(photo)
        for x, reach in ((60, 0.5), (200, "automatic")):
            pad.click(x, 60)
            pad.page.wait_for_selector("[data-role=suggestion]")
            pad.settle()
            pad.page.keyboard.press("1")
            pad.settle()
            assert pad.recipe()["points"][-1]["reach"] == reach
            pad.page.keyboard.press("Escape")
        pad.page.keyboard.press("Control+z")
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []


def test_a_model_that_compares_no_places_suggests_no_reach(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.ask("suggest", recipe={"image": photo["image"]}, x=40, y=40).body["reach"] is None
