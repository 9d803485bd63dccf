"""Saved work in a real browser: expired sessions, two tabs, large files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import BrowserPad, watched_pad
from pads import tiny_studio
from PIL import Image

from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Limits
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio() -> Studio:
    return tiny_studio(Limits(pixels=1_000_000))


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        yield url


@pytest.fixture
def pad(browser: Any, address: str) -> Iterator[BrowserPad]:
    with watched_pad(browser, address) as opened:
        yield opened


def close_image(pad: BrowserPad) -> None:
    pad.page.click("summary")
    pad.page.click("text=Close the photo")
    pad.wait("empty")
    pad.next_frame()


def idle_for_two_hours(studio: Studio) -> None:
    clock = studio.sessions._clock
    studio.sessions._clock = lambda: clock() + 7200
    studio.sessions.remove_expired()
    assert all(session.opened is None for session in studio.sessions._sessions.values())


@pytest.mark.nightly
def test_pad_restores_an_expired_session_with_its_undo_history(browser: Any, photo: Path) -> None:
    studio = tiny_studio()
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(60, 50)
        pad.settle()
        idle_for_two_hours(studio)
        pad.page.keyboard.press("r")  # any request reopens the image
        pad.page.wait_for_function("() => colorzooPad.state() === 'ready'")
        assert pad.toasts() == ""
        idle_for_two_hours(studio)
        pad.click(180, 60)
        pad.settle()
        assert len(pad.points()) == 2
        for _ in range(2):
            pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []
        assert pad.toasts() == ""
        assert pad.problems == []
        pad.close()


@pytest.mark.nightly
def test_two_tabs_with_one_image_are_saved_separately(pad: BrowserPad, photo: Path) -> None:
    pad.open_ready(photo)
    pad.click(60, 50)
    pad.settle()
    pad.page.wait_for_timeout(1200)  # the autosave runs after a pause
    other = pad.new_tab()
    other.page.wait_for_selector(".cz-toast >> text=Your work here is saved separately")
    other.settle()
    other.click(180, 60)
    other.click(120, 100)
    other.settle()
    close_image(other)
    pad.click(30, 120)
    pad.settle()
    close_image(pad)
    names = pad.page.locator(".cz-work-open").all_inner_texts()
    assert sorted(names) == [photo.name, f"{photo.name} (2)"]
    pad.page.click(".cz-work-open >> text=(2)")
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    assert len(pad.points()) == 3
    assert other.problems == []


@pytest.mark.nightly
def test_pad_proposes_a_sketch_model_for_a_sketch(pad: BrowserPad, photo: Path, tmp_path: Path) -> None:
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:14] = image[10:50, 60:62] = image[10:12, 12:62] = image[48:50, 12:62] = 0
    Image.fromarray(image).save(tmp_path / "drawing.png")
    pad.open_ready(tmp_path / "drawing.png")
    assert "looks like a drawing" in pad.toasts()
    proposal = pad.page.locator(".cz-panel button >> text=Color as a drawing")
    assert proposal.is_visible()
    assert pad.page.locator(".cz-toast button >> text=Color as a drawing").is_visible()
    pad.open_ready(photo)
    assert not proposal.is_visible()
