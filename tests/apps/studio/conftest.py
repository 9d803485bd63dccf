from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SIZE, BrowserPad, chromium, missing, watched_pad
from pads import DirectPad, tiny_studio
from PIL import Image

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    made = tiny_studio()
    yield made
    made.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Return the address of a server of the tiny model."""
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _):
        yield url


@pytest.fixture
def pad(studio: Studio) -> Iterator[DirectPad]:
    made = DirectPad(studio)
    yield made
    studio.disconnect(made.session)  # keep the number of sessions below the limit


@pytest.fixture(scope="module")  # its event loop would block asyncio.run in later modules
def browser() -> Iterator[Any]:
    if (reason := missing()) is not None:
        pytest.skip(f"missing, not passed: {reason}")
    with chromium() as opened:
        yield opened


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a gray image with smooth parts and edges, whose name has special characters."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    levels = 90 + 60 * np.sin(columns / 40) + 40 * np.cos(rows / 25)
    levels[40:110, 60:150] = 150
    target = tmp_path / "Größe & Licht.png"
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(target)
    return target


@pytest.fixture
def empty_pad(browser: Any, address: str) -> Iterator[BrowserPad]:
    """Return a pad without a photo in Chromium; modules can override `address`."""
    with watched_pad(browser, address) as pad:
        yield pad


@pytest.fixture
def photo_pad(empty_pad: BrowserPad, photo: Path) -> BrowserPad:
    """Return a pad with the opened `photo` in Chromium."""
    empty_pad.open_ready(photo)
    return empty_pad
