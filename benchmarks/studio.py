"""The drawing pad in a real browser: from pointer-up to new pixels; and eight pads at once for a minute.

``COLORZOO_BEFORE`` may name the ``src`` folder of an earlier state, as of a git worktree: its edits are
measured in the same run, and the rows say which part of its times ours are.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._harness import Options, Row, SkippedError, share_of, where

EDITS = 100
SIDE = 512
MEDIAN_LIMIT, LATE_LIMIT = 120.0, 250.0  # ms
SESSIONS = 8
SECONDS = int(os.environ.get("COLORZOO_LOAD_SECONDS", "60"))
GROWTH_LIMIT = 1.1
_PAUSE = 350  # ms between edits: the pace of a hand
_PRESS = 90  # ms for which a finger stays on the button
BEFORE = "COLORZOO_BEFORE"
SOONER, LATE_SOONER = 0.7, 0.6  # goals of the median and the 95th percentile against an earlier state
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


_PARTS = ("network", "encode", "wait", "transfer", "draw")
_FRAME = 16.7  # ms


def run(options: Options) -> list[Row]:
    """Drive the browser through 100 edits, then eight sessions for a minute."""
    del options
    with tempfile.TemporaryDirectory() as folder:
        earlier = None
        if before := os.environ.get(BEFORE):
            with _server(Path(folder), before) as (url, _):
                earlier = _edit(url)
        with _server(Path(folder)) as (url, process):
            edits = _edit(url)
            rows = _latency_rows(edits) if earlier is None else _compared_rows(edits, earlier)
            return [*rows, *_load_rows(url, process)]


def _compared_rows(edits: list[Edit], earlier: list[Edit]) -> list[Row]:
    """Return how the times compare with those of an earlier state."""
    ours, theirs = (sorted(edit.total for edit in some) for some in (edits, earlier))
    title = f"pointer-up to new pixels, {{}} of {len(edits)} edits of a {SIDE}x{SIDE} photo, ms, before {{}}"
    rows = []
    for name, share, goal in (("median", 0.5, SOONER), ("95th percentile", 0.95, LATE_SOONER)):
        now, then = _at(ours, share), _at(theirs, share)
        shares = (_shares(edits), _shares(earlier))
        rows.append(
            share_of(title.format(name, f"({shares[1]}), now ({shares[0]})"), now, then, goal, where())
        )
    return rows


def _at(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1) + 0.5)]


def _shares(edits: list[Edit]) -> str:
    whole = sum(edit.spent for edit in edits)
    return ", ".join(f"{part} {sum(getattr(e, part) for e in edits) / whole:.0%}" for part in _PARTS)


def _latency_rows(edits: list[Edit]) -> list[Row]:
    totals = sorted(edit.total for edit in edits)
    late, shares = _at(totals, 0.95), _shares(edits)
    title = (
        f"pointer-up to new pixels, {len(edits)} edits of a {SIDE}x{SIDE} photo, ms, {{}} against the limit"
    )
    return [
        share_of(
            f"{title.format('median')} ({shares})", statistics.median(totals), MEDIAN_LIMIT, 1.0, where()
        ),
        share_of(title.format("95th percentile"), late, LATE_LIMIT, 1.0, where()),
    ]


def _load_rows(url: str, process: subprocess.Popen[str]) -> list[Row]:
    from benchmarks._studio_load import run_sessions

    asyncio.run(run_sessions(url, sessions=SESSIONS, seconds=max(2, SECONDS // 6)))  # warm: caches are full
    before = _resident(process.pid)
    report = asyncio.run(run_sessions(url, sessions=SESSIONS, seconds=SECONDS))
    after = _resident(process.pid)
    for error in report.errors[:3]:
        print(f"load: {error}", file=sys.stderr)
    answers = sum(report.answers.values())
    title = f"{SESSIONS} sessions at once for {SECONDS} s"
    facts = f"{answers} pictures, the least served session got {min(report.answers.values())}"
    bad = float(len(report.errors) + report.wrong)
    return [
        share_of(f"{title}: errors and answers to the wrong session ({facts})", bad, 1.0, 0.0, where()),
        share_of(f"{title}: MB of the server after against before", after, before, GROWTH_LIMIT, where()),
    ]


def _edit(url: str) -> list[Edit]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SkippedError('playwright is missing: python -m pip install "colorzoo[test]"') from None
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SkippedError("chromium is missing: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(_FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.wait_for_selector(".colorzoo-pad[data-photo=true]", timeout=300_000)  # models load behind it
        _settle(page)
        edits = list(_hand(page))
        browser.close()
    return edits


def _hand(page: Any) -> Iterator[Edit]:
    """Add, move and recolor points as a person would, one edit after the other."""
    draws = random.Random(0)
    places: list[tuple[float, float]] = []
    seen = set(page.evaluate(_MARKS))
    for number in range(EDITS + 5):
        if number % 5 in (0, 2):  # add
            places.append((draws.uniform(20, SIDE - 20), draws.uniform(20, SIDE - 20)))
            page.mouse.click(*_place(page, places[-1]), delay=_PRESS)
        elif number % 5 == 3:  # move
            start, places[-1] = places[-1], (draws.uniform(20, SIDE - 20), draws.uniform(20, SIDE - 20))
            page.mouse.move(*_place(page, start))
            page.mouse.down()
            page.mouse.move(*_place(page, places[-1]), steps=8)
            page.wait_for_timeout(_PRESS)
            page.mouse.up()
        else:  # recolor by the palette
            page.keyboard.press(str(draws.randint(1, 5)))
        _settle(page)
        marks = page.evaluate(_MARKS)
        new = [marks[name] for name in marks if name not in seen]
        seen = set(marks)
        done = [m for m in new if {"input", "painted"} <= set(m) and m["received"]["quality"] == "final"]
        if number >= 5 and done:  # the first ones warm up
            yield _measure(done[0])


def _measure(marks: dict[str, Any]) -> Edit:
    timing = marks["received"]["timing"]
    total = max(marks["painted"]["at"] - marks["input"]["at"], _FRAME)
    encode = timing["join"] + timing["encode"]
    transfer = marks["received"]["at"] - marks["sent"]["at"] - timing["total"]
    draw = marks["painted"]["at"] - marks["received"]["at"]
    rest = timing["total"] - timing["network"] - encode
    return Edit(total, timing["network"], encode, rest, transfer, draw)


def _place(page: Any, place: tuple[float, float]) -> tuple[float, float]:
    x, y = page.evaluate("([x, y]) => colorzooPad.toPage(x, y)", list(place))
    return x, y


def _settle(page: Any) -> None:
    page.wait_for_timeout(_PAUSE)
    page.wait_for_selector(".colorzoo-pad[data-state=ready]", timeout=60_000)


@contextmanager
def _server(folder: Path, source: str | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``colorzoo studio`` as a user would, in a process of its own.

    Args:
        folder: For the photo.
        source: The ``src`` folder of another state of the code.
    """
    environment = {**os.environ, **({"PYTHONPATH": source} if source else {})}
    photo = folder / "photo.jpg"
    Image.fromarray(_photo()).save(photo, quality=92)
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


def _resident(pid: int) -> float:
    """Return the megabytes a process holds."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise SkippedError("memory is measured on Linux only")
    found = re.search(r"VmRSS:\s*(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) / 1e3


def _photo() -> np.ndarray[Any, Any]:
    """Return a gray picture with large shapes and a little grain."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    level = 0.5 + 0.25 * np.sin(7 * columns + 3 * rows) + 0.15 * np.sign(np.sin(5 * rows) - 2 * columns + 1)
    grain = np.random.default_rng(0).normal(0, 0.015, level.shape)
    levels: np.ndarray[Any, Any] = (np.clip(level + grain, 0, 1) * 255).astype(np.uint8)
    return levels
