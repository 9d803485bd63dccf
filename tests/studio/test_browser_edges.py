"""Edge scribbles in a real browser."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from browser_pad import BrowserPad, watched_pad
from PIL import Image
from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser

STROKE = ((60, 130), (180, 130))
ON_IT, BESIDE_IT, FAR = (120, 130), (120, 140), (120, 20)


class Reddens(ColoringModel):
    """Turns the photo red as soon as there is a stroke; answers to strokes wait for leave."""

    accepts = frozenset({"scribbles"})
    leave: ClassVar[threading.Event] = threading.Event()

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        drawn = guidance is not None and guidance.scribbles is not None
        if drawn:
            self.leave.wait(60)
        ab = torch.zeros(1, 2, *lightness.shape[2:])
        return AbPrediction(ab=ab + (torch.tensor([50.0, 30.0]).view(1, 2, 1, 1) if drawn else 0))


@pytest.fixture
def leave() -> Iterator[threading.Event]:
    Reddens.leave.clear()
    yield Reddens.leave
    Reddens.leave.set()


@pytest.fixture
def pad(browser: Any, photo: Path, leave: threading.Event) -> Iterator[BrowserPad]:
    studio = Studio(Colorizer(Reddens(), device="cpu", size=64))
    with (
        run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        opened.open_ready(photo)
        opened.page.click("[data-tool=edge]")
        yield opened
        leave.set()


def seen(pad: BrowserPad, place: tuple[float, float]) -> np.ndarray:
    """Return the mean color around a place of the photo, as the page shows it; the pointer is elsewhere."""
    pad.page.mouse.move(640, 20)
    pad.page.wait_for_timeout(120)
    x, y = pad.place(*place)
    shot = pad.page.screenshot(clip={"x": x - 2, "y": y - 2, "width": 5, "height": 5})
    with Image.open(io.BytesIO(shot)) as image:
        return np.asarray(image.convert("RGB")).astype(float).mean(axis=(0, 1))


@pytest.mark.nightly
def test_a_scribble_fades_after_its_result(pad: BrowserPad, leave: threading.Event) -> None:
    bare = seen(pad, ON_IT)
    pad.drag(*STROKE)
    waiting = np.abs(seen(pad, ON_IT) - bare).max()
    leave.set()
    pad.settle()
    # without the red of the answer: how much lighter or darker the ink makes the photo
    faded = abs(seen(pad, ON_IT).mean() - seen(pad, BESIDE_IT).mean())
    assert waiting > 40
    assert faded < waiting / 2
