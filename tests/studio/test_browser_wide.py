"""Names of the tools on a wide screen, and the progress of an export."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import check, watched_pad
from pads import DirectPad, tiny_studio
from PIL import Image

from colorzoo.studio import handlers
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server


@pytest.mark.browser
def test_tools_have_names_where_there_is_room(browser: Any, photo: Path) -> None:
    with (
        run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.open_ready(photo)
        name = pad.page.locator("[data-tool=paint] .cz-tool-name")
        assert name.is_visible()
        assert name.inner_text() == "Paint"
        for width, height, named in ((1100, 700, False), (390, 844, True)):  # below it, on a phone
            pad.page.set_viewport_size({"width": width, "height": height})
            pad.settle()
            assert name.is_visible() == named
            inside = pad.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert inside
        pad.page.locator("[data-tool=hand]").scroll_into_view_if_needed()
        assert pad.page.evaluate(check("UNNAMED"), None) == []


def test_a_large_export_tells_its_progress(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "LARGE", 1000)
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, 255, 80 * 90).reshape(80, 90).astype(np.uint8)).save(file, "PNG")
    photo = pad.open(file.getvalue())
    number = pad.send("export", recipe={"image": photo["image"]}, format="png")
    shares = []
    while (message := pad.next()).type != "exported":
        assert (message.type, message.body["re"]) == ("progress", number)
        shares.append(message.body["share"])
    assert shares == sorted(shares)
    assert len(shares) > 2


@pytest.mark.browser
def test_the_page_shows_the_progress_of_an_export(
    browser: Any, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, shown = handlers.encode, threading.Event()

    def wait_and_encode(*given: Any) -> bytes:
        assert shown.wait(60)
        return encode(*given)

    monkeypatch.setattr(handlers, "LARGE", 1000)
    monkeypatch.setattr(handlers, "encode", wait_and_encode)
    with (
        run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.open_ready(photo)
        pad.page.click("[data-action=export]")
        with pad.page.expect_download():
            pad.page.click("[data-action=export-now]")
            pad.page.wait_for_selector("text=Exporting … 80 %")
            shown.set()
        pad.page.wait_for_selector("text=Exporting … 80 %", state="hidden")
