"""The drawing pad in a browser under the hand of a person: what the benchmarks of both pads share."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._harness import SkippedError

SIDE = 512
_PAUSE = 350  # ms between edits: the pace of a hand
_PRESS = 90  # ms for which a finger stays on the button
_FRAME = 16.7  # ms
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
_MARKS = """() => {
  const found = {};
  for (const mark of performance.getEntriesByType("mark")) {
    if (mark.name.startsWith("pad:")) (found[mark.detail.id] ??= {})[mark.name.slice(4)] = {
      at: mark.startTime, ...mark.detail};
  }
  return found;
}"""


@dataclass(frozen=True)
class Edit:
    """Milliseconds of one edit.

    Attributes:
        total: From the pointer's or key's event to the drawn picture; a frame where that was there already.
        network: Of the neural network.
        encode: Joining with the lightness and encoding.
        wait: In the server's queue and everything else there.
        transfer: Between page and server, both ways.
        draw: Decoding and drawing.
    """

    total: float
    network: float
    encode: float
    wait: float
    transfer: float
    draw: float

    @property
    def spent(self) -> float:
        """All of it, also what went on before the pointer was let go."""
        return self.network + self.encode + self.wait + self.transfer + self.draw


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser of this machine."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SkippedError('playwright is missing: python -m pip install "colorzoo[test]"') from None
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SkippedError("chromium is missing: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


class Hand:
    """Adds, moves and recolors points as a person would, one edit after the other.

    Args:
        page: With an open photo of `SIDE` pixels.
        patience: Longest wait for an answer in ms.
    """

    def __init__(self, page: Any, patience: int = 60_000) -> None:
        self._page, self._patience = page, patience
        self._draws = random.Random(0)
        self._places: list[tuple[float, float]] = []
        self.settle()
        self._seen = set(page.evaluate(_MARKS))

    def edit(self, number: int) -> Edit | None:
        """Do one edit and return its times, if it was one whose picture came in one piece."""
        page, places = self._page, self._places
        if number % 5 in (0, 2):  # add
            places.append(self._somewhere())
            page.mouse.click(*self._place(places[-1]), delay=_PRESS)
        elif number % 5 == 3:  # move
            start, places[-1] = places[-1], self._somewhere()
            page.mouse.move(*self._place(start))
            page.mouse.down()
            page.mouse.move(*self._place(places[-1]), steps=8)
            page.wait_for_timeout(_PRESS)
            page.mouse.up()
        else:  # recolor by the palette
            page.keyboard.press(str(self._draws.randint(1, 5)))
        self.settle()
        marks = page.evaluate(_MARKS)
        new = [marks[name] for name in marks if name not in self._seen]
        self._seen = set(marks)
        done = [m for m in new if {"input", "painted"} <= set(m) and m["received"]["quality"] == "final"]
        return _measure(done[0]) if done else None

    def settle(self) -> None:
        """Wait until all that was asked for is drawn."""
        self._page.wait_for_timeout(_PAUSE)
        self._page.wait_for_selector(".colorzoo-pad[data-state=ready]", timeout=self._patience)

    def _somewhere(self) -> tuple[float, float]:
        return self._draws.uniform(20, SIDE - 20), self._draws.uniform(20, SIDE - 20)

    def _place(self, place: tuple[float, float]) -> tuple[float, float]:
        x, y = self._page.evaluate("([x, y]) => colorzooPad.toPage(x, y)", list(place))
        return x, y


@contextmanager
def server(folder: Path, source: str | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``colorzoo studio`` as a user would, in a process of its own.

    Args:
        folder: For the photo.
        source: The ``src`` folder of another state of the code.
    """
    environment = {**os.environ, **({"PYTHONPATH": source} if source else {})}
    photo = write_photo(folder)
    command = [sys.executable, "-m", "colorzoo", "studio", str(photo), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SkippedError("the studio did not start")
        try:
            yield found[0], process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            time.sleep(0.1)


def write_photo(folder: Path) -> Path:
    """Write the photo of the edits."""
    photo = folder / "photo.jpg"
    Image.fromarray(_photo()).save(photo, quality=92)
    return photo


def _measure(marks: dict[str, Any]) -> Edit:
    timing = marks["received"]["timing"]
    total = max(marks["painted"]["at"] - marks["input"]["at"], _FRAME)
    encode = timing["join"] + timing["encode"]
    transfer = marks["received"]["at"] - marks["sent"]["at"] - timing["total"]
    draw = marks["painted"]["at"] - marks["received"]["at"]
    rest = timing["total"] - timing["network"] - encode
    return Edit(total, timing["network"], encode, rest, transfer, draw)


def _photo() -> np.ndarray[Any, Any]:
    """Return a gray picture with large shapes and a little grain."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    level = 0.5 + 0.25 * np.sin(7 * columns + 3 * rows) + 0.15 * np.sign(np.sin(5 * rows) - 2 * columns + 1)
    grain = np.random.default_rng(0).normal(0, 0.015, level.shape)
    levels: np.ndarray[Any, Any] = (np.clip(level + grain, 0, 1) * 255).astype(np.uint8)
    return levels
