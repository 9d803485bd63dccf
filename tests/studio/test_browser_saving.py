"""Work that is never lost: killed servers and tabs, lost connections, two browsers on one photo."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad, watched_pad
from pads import tiny_studio

from colorzoo.studio.app import StudioLoader
from colorzoo.studio.saved_sessions import SavedSessions
from colorzoo.studio.server import Address, run_server

pytestmark = pytest.mark.browser
PAUSE = 400  # ms between edits, less than any autosave waits


@pytest.fixture
def works(tmp_path: Path) -> SavedSessions:
    return SavedSessions(tmp_path / "works")


@pytest.fixture
def pad(browser: Any, works: SavedSessions) -> Iterator[BrowserPad]:
    with (
        run_server(StudioLoader.loaded(tiny_studio(saved_sessions=works)), Address(port=0)) as (url, _),
        watched_pad(browser, url) as opened,
    ):
        yield opened


def points_saved(works: SavedSessions) -> int:
    """Return the number of points of the work with most on the server."""
    found = [json.loads(path.read_text(encoding="utf-8"))["recipe"] for path in works.folder.glob("*.json")]
    return max((point_count(recipe) for recipe in found), default=0)


def point_count(recipe: dict[str, Any]) -> int:
    return len(recipe.get("points", [])) + len(recipe.get("studio", {}).get("untouched", []))


def add_point(pad: BrowserPad, number: int) -> None:
    pad.click(15 + number % 22 * 10, 15 + number // 22 % 14 * 10)


@pytest.mark.nightly
def test_work_is_saved_while_edits_follow_each_other(
    pad: BrowserPad, photo: Path, works: SavedSessions
) -> None:
    pad.open_ready(photo)
    for number in range(12):
        add_point(pad, number)
        pad.page.wait_for_timeout(PAUSE)
        if points_saved(works):
            return
    pytest.fail("nothing was saved between the edits")


class KilledServer:
    """A server in a process of its own that is killed and started again; it forks, so that this is fast."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/?token=fixed"
        self.works = SavedSessions(folder)
        parts = [sys.executable, str(Path(__file__).with_name("forking_server.py")), str(folder), str(port)]
        self.parent = subprocess.Popen(parts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say("start")

    def say(self, word: str) -> None:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.parent.stdin.write(f"{word}\n")
        self.parent.stdin.flush()
        assert self.parent.stdout.readline().strip() == word

    def close(self) -> None:
        self.say("kill")
        self.parent.kill()
        self.parent.wait(10)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rounds", [3])
def test_at_most_one_act_is_lost_whatever_dies(
    browser: Any, photo: Path, tmp_path: Path, rounds: int
) -> None:
    chance, folder = random.Random(rounds), tmp_path / "works"
    server = KilledServer(folder)
    try:
        pad = BrowserPad(browser, server.url)
        pad.open_ready(photo)
        point = 0
        for number in range(rounds):
            point = draw_until_it_dies(pad, server, chance, point, ("both", "tab", "server")[number % 3])
        assert len(list(folder.glob("*.json"))) == 1  # no work was taken for another browser's
        pad.close()
    finally:
        server.close()


def draw_until_it_dies(
    pad: BrowserPad, server: KilledServer, chance: random.Random, first: int, dies: str
) -> int:
    """Draw, kill something and open the photo again; return the number of the next point."""
    number, seen = first, [pad.points()]
    ends = time.monotonic() + chance.uniform(0.5, 4)
    while time.monotonic() < ends:
        add_point(pad, number)
        number += 1
        seen.append(pad.points())
        pad.page.wait_for_timeout(chance.uniform(150, 700))
    if dies != "tab":
        server.say("kill")
        assert points_saved(server.works) >= len(seen[-1]) - 1  # what another browser finds
    if dies == "server":
        pad.wait("offline")
        add_point(pad, number)
        drawn = pad.points()
        server.say("start")
        pad.page.wait_for_selector(".colorzoo-pad[data-state=ready]")
        assert pad.points() == drawn
        return number + 1
    crash(pad)
    if dies == "both":
        server.say("start")
    pad.page = pad._new_page()
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    found = pad.points()
    assert found in seen[-2:]
    return number


def crash(pad: BrowserPad) -> None:
    """Kill the process of the page, which can save nothing any more."""
    with pad.page.expect_event("crash"), suppress(Exception):
        pad.page.goto("chrome://crash", timeout=2000)
    pad.page.close()
