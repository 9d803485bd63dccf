"""The drawing pad in a browser: milliseconds from pointer-up to new pixels, and from a fill to its pixels.

The pad sets `performance.mark(name, {detail: {id}})` with the id of each `color` request: ``pad:input``
(pointer or key event), ``pad:sent``, ``pad:received`` (with ``timing`` and ``quality``), ``pad:decoded`` and
``pad:painted`` (animation frame after the canvas was updated).

A fill of a drawing is visible before the server responds. Its time is measured at the canvas: from the
pointer event to the animation frame in which the pixel under the pointer has changed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from benchmarks._common import Options, Row, SkippedError, share_of, where

SIDE, EDITS, WARMUP = 512, 100, 5
DRAWING, FILLS = (4000, 3000), 20  # width and height in pixels, and measured fills
FILL_GOAL = 50.0  # ms
LINES = 16  # smallest distance between a measured pixel and a line, in pixels of the drawing
GOALS = {0.5: 120.0, 0.95: 250.0}  # quantile: ms
PAUSE, PRESS, FRAME = 350, 90, 16.7  # ms between edits, of a press of the button, of a frame
PATIENCE = 300_000  # ms until the models are loaded
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
CLICK = """([x, y]) => new Promise((done) => {
  const canvas = document.querySelector("canvas[data-role=photo]"), box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width, probe = new OffscreenCanvas(1, 1);
  const context = probe.getContext("2d", { willReadFrequently: true });
  const read = () => {
    context.drawImage(canvas, -Math.round((x - box.left) * ratio), -Math.round((y - box.top) * ratio));
    return context.getImageData(0, 0, 1, 1).data.join();
  };
  const before = read(), stage = canvas.parentElement;
  stage.addEventListener("pointerdown", () => {
    const start = performance.now();
    const look = () => (read() === before ? requestAnimationFrame(look) : done(performance.now() - start));
    requestAnimationFrame(look);
  }, { once: true, capture: true });
})"""
MARKS = """() => {
  const found = {};
  for (const mark of performance.getEntriesByType("mark")) {
    if (mark.name.startsWith("pad:")) (found[mark.detail.id] ??= {})[mark.name.slice(4)] = {
      at: mark.startTime, ...mark.detail};
  }
  return found;
}"""


def run(options: Options) -> list[Row]:
    """Drive the browser through 100 edits, or as many as ``--repeats`` states."""
    edits = options.repeats or EDITS
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        photo = write_photo(Path(folder))
        with pad_server(photo) as url:
            page.goto(url)
            page.wait_for_selector(".colorzoo-pad[data-photo=true]", timeout=PATIENCE)
            rows = _edit_rows(page, edits)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        drawing = write_drawing(Path(folder))
        with pad_server(drawing) as url:
            page.goto(url)
            page.wait_for_selector(".colorzoo-pad[data-photo=true]", timeout=PATIENCE)
            return [*rows, _fill_row(page, drawing, min(edits, FILLS))]


def _edit_rows(page: Any, edits: int) -> list[Row]:
    user = BrowserUser(page)
    done = [user.edit(number) for number in range(edits + WARMUP)][WARMUP:]
    measured = [each for each in done if each is not None]
    totals = sorted(total for total, _ in measured)
    parts = {name: sum(parts[name] for _, parts in measured) for name in measured[0][1]}
    split = ", ".join(f"{name} {part / sum(parts.values()):.0%}" for name, part in parts.items())
    title = f"pointer-up to new pixels, {len(totals)} edits of a {SIDE} x {SIDE} photo, ms"
    rows = []
    for quantile, limit in GOALS.items():
        value = statistics.median(totals) if quantile == 0.5 else totals[round(quantile * (len(totals) - 1))]
        claim = f"{title}, quantile {quantile:g} against the limit ({split})"
        rows.append(share_of(claim, value, limit, 1.0, where()))
    return rows


def _fill_row(page: Any, drawing: Path, count: int) -> Row:
    """Fill random regions of the drawing, and measure the time until the pixel under the pointer changes."""
    generator = random.Random(0)
    width, height = DRAWING
    levels = np.asarray(Image.open(drawing))
    page.wait_for_timeout(PAUSE)
    page.wait_for_selector(".colorzoo-pad[data-state=ready]", timeout=PATIENCE)
    times = []
    for number in range(count + 1):  # the first fill is not measured, because it waits for the regions
        page.fill(".cz-hex", f"#{generator.randrange(256**3):06x}")
        page.press(".cz-hex", "Enter")
        has_line = True
        while has_line:
            column, row = (generator.randrange(LINES, side - LINES) for side in DRAWING)
            has_line = levels[row - LINES : row + LINES, column - LINES : column + LINES].min() < 255
        x, y = page.evaluate("([x, y]) => colorzooPad.toPage(x, y)", [column, row])
        page.mouse.move(x, y)
        page.wait_for_timeout(PAUSE)
        page.evaluate(f"(place) => {{ window.measured = ({CLICK})(place); }}", [x, y])
        page.mouse.click(x, y, delay=PRESS)
        milliseconds = page.evaluate("() => measured")
        if number:
            times.append(max(milliseconds, FRAME))
    claim = (
        f"click to changed pixel, {len(times)} fills of a {width} x {height} drawing, ms, median of the limit"
    )
    return share_of(claim, statistics.median(times), FILL_GOAL, 1.0, where())


def write_drawing(folder: Path) -> Path:
    """Write a drawing of overlapping ellipses: about 300 regions with lines of 5 to 9 pixels."""
    generator, (width, height) = random.Random(0), DRAWING
    drawing = Image.new("L", DRAWING, 255)
    pen = ImageDraw.Draw(drawing)
    for _ in range(60):
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        across, down = generator.uniform(150, 700), generator.uniform(150, 700)
        pen.ellipse((x - across, y - down, x + across, y + down), outline=0, width=generator.randint(5, 9))
    path = folder / "drawing.png"
    drawing.save(path)
    return path


def write_photo(folder: Path) -> Path:
    """Write a gray photo with edges and grain."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    level = 0.5 + 0.25 * np.sin(7 * columns + 3 * rows) + 0.15 * np.sign(np.sin(5 * rows) - 2 * columns + 1)
    grain = np.random.default_rng(0).normal(0, 0.015, level.shape)
    photo = folder / "photo.jpg"
    Image.fromarray((np.clip(level + grain, 0, 1) * 255).astype(np.uint8)).save(photo, quality=92)
    return photo


@contextmanager
def pad_server(photo: Path) -> Iterator[str]:
    """Run ``colorzoo studio`` on a photo in a separate process; yield its address."""
    command = [sys.executable, "-m", "colorzoo", "studio", str(photo), "--no-browser", "--port", "0"]
    home = {**os.environ, "COLORZOO_HOME": str(photo.parent)}  # without the points of an earlier run
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SkippedError("the studio did not start")
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


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
        browser = play.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class BrowserUser:
    """A user who adds, moves and recolors points, one edit after the other.

    Args:
        page: The pad with an open photo of `SIDE` pixels.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.random = random.Random(0)
        self.points: list[tuple[float, float]] = []
        self.wait()
        page.locator(".cz-color .cz-check input").check()  # without a color a new point changes nothing
        self.seen = set(page.evaluate(MARKS))

    def edit(self, number: int) -> tuple[float, dict[str, float]] | None:
        """Return the total and the parts of an edit in ms; None if its image came in several pieces."""
        page, points = self.page, self.points
        if number % 5 in (0, 2):  # add
            points.append(self.random_point())
            page.mouse.click(*self.on_page(points[-1]), delay=PRESS)
        elif number % 5 == 3:  # move
            start, points[-1] = points[-1], self.random_point()
            page.mouse.move(*self.on_page(start))
            page.mouse.down()
            page.mouse.move(*self.on_page(points[-1]), steps=8)
            page.wait_for_timeout(PRESS)
            page.mouse.up()
        else:  # recolor by the palette
            page.keyboard.press(str(self.random.randint(1, 5)))
        self.wait()
        marks = page.evaluate(MARKS)
        new = [marks[name] for name in marks if name not in self.seen]
        self.seen = set(marks)
        done = [each for each in new if {"input", "painted"} <= set(each)]
        done = [each for each in done if each["received"]["quality"] == "final"]
        return edit_times(done[0]) if done else None

    def wait(self) -> None:
        """Wait until everything is drawn."""
        self.page.wait_for_timeout(PAUSE)
        self.page.wait_for_selector(".colorzoo-pad[data-state=ready]", timeout=60_000)

    def random_point(self) -> tuple[float, float]:
        """Return a random point of the photo."""
        return self.random.uniform(20, SIDE - 20), self.random.uniform(20, SIDE - 20)

    def on_page(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return the position of a point of the photo on the page."""
        x, y = self.page.evaluate("([x, y]) => colorzooPad.toPage(x, y)", list(point))
        return x, y


def edit_times(marks: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """Return the total and the parts of an edit in milliseconds; the total is at least one frame."""
    timing = marks["received"]["timing"]
    parts = {
        "network": timing["network"],
        "encode": timing["encode"],
        "wait": timing["total"] - timing["network"] - timing["encode"],  # queue and the rest of the server
        "transfer": marks["received"]["at"] - marks["sent"]["at"] - timing["total"],  # both ways
        "draw": marks["painted"]["at"] - marks["received"]["at"],  # with decoding
    }
    return max(marks["painted"]["at"] - marks["input"]["at"], FRAME), parts
