"""Opening of images in a real browser, also while the models load."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SLOW, BrowserPad
from pads import tiny_studio
from PIL import Image
from playwright.sync_api import Page

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server
from tiny_model import gray_image

pytestmark = pytest.mark.browser


@contextmanager
def loading_page(browser: Any) -> Iterator[tuple[Page, StudioLoader]]:
    """Open a pad whose studio is still loading."""
    loader = StudioLoader(Limits())
    with run_server(loader, port=0) as (url, _):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(SLOW)
        page.goto(url)
        page.wait_for_selector(".colorzoo-pad")
        yield page, loader
        page.close()


@pytest.mark.nightly
@pytest.mark.parametrize("way", ["start", "drop", "paste"])
def test_image_selected_while_models_load_is_opened_afterwards(browser: Any, photo: Path, way: str) -> None:
    with loading_page(browser) as (page, loader):
        if way == "start":
            with page.expect_file_chooser() as chooser:
                page.click(".cz-empty-card .cz-primary")
            chooser.value.set_files(photo)
        else:
            page.evaluate(GIVE_FILE, [way, photo.name, list(photo.read_bytes())])
        page.wait_for_selector(".cz-glimpse")
        assert page.inner_text(".cz-loading-card p") == "Loading the coloring model …"
        threading.Timer(1.0, lambda: loader.finish(tiny_studio())).start()
        page.wait_for_selector(".colorzoo-pad[data-state=ready]")
        assert page.evaluate("() => colorzooPad.photo().name") == photo.name
        assert page.inner_text(".cz-toasts") == ""


GIVE_FILE = """([way, name, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const target = document.querySelector(".colorzoo-pad");
  const more = { bubbles: true, cancelable: true };
  const event = way === "drop" ? new DragEvent("drop", { dataTransfer: transfer, ...more })
    : new ClipboardEvent("paste", { clipboardData: transfer, ...more });
  (way === "drop" ? target : document).dispatchEvent(event);
}"""


@pytest.mark.nightly
def test_point_and_its_first_color_are_one_undo_step(browser: Any, photo: Path) -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        pad.click(100, 75)
        pad.settle()
        for color in ("#804020", "#406080"):
            pad.page.fill(".cz-hex", color)
            pad.page.keyboard.press("Enter")
            pad.settle()
        second = pad.points()
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() != second
        assert len(pad.recipe()["points"]) == 1
        pad.page.keyboard.press("Control+z")
        pad.settle()
        assert pad.points() == []
        pad.page.keyboard.press("Control+y")
        pad.settle()
        assert len(pad.recipe()["points"]) == 1
        pad.close()


@pytest.mark.nightly
def test_transparent_pixels_show_a_checkerboard(browser: Any, tmp_path: Path) -> None:
    gray = gray_image(120, 160)
    alpha = np.full_like(gray, 255)
    alpha[:, :80] = 0
    Image.fromarray(np.dstack([gray, gray, gray, alpha])).save(tmp_path / "cut.png")
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(tmp_path / "cut.png")
        (left, top), (right, bottom) = pad.place(5, 5), pad.place(75, 115)
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        with Image.open(io.BytesIO(pad.page.screenshot(clip=clip))) as image:
            levels = np.asarray(image.convert("L")).ravel()
        shares = [((levels > level - 4) & (levels < level + 4)).mean() for level in (204, 252)]
        assert min(shares) > 0.3
        pad.page.click("[data-action=export]")
        hint = pad.page.locator("dialog[open] .cz-hint")
        assert "stay transparent" in hint.inner_text()
        pad.page.check("input[value=jpeg]")
        assert "become opaque" in hint.inner_text()
        pad.close()
