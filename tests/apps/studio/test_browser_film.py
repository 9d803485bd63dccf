"""The film strip in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad, watched_pad

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.film import Film
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from tiny_video import scene, write_video

pytestmark = [pytest.mark.browser, pytest.mark.nightly]
SIZE = (96, 128)  # height and width


@contextmanager
def film_server(film: Path) -> Iterator[str]:
    """Serve the pad with a film, as ``colorzoo studio`` does after a restart."""
    studio = Studio(device="cpu")
    studio.film = Film(film, device="cpu", size=64)
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        yield url


def wait_for_frame(pad: BrowserPad, frame: int) -> None:
    pad.page.wait_for_selector(f".cz-photo-name >> text=/^Frame_? ?{frame}\\b/", state="attached")
    pad.settle()


def wait_for_result(pad: BrowserPad) -> None:
    pad.page.wait_for_selector("[data-action=film-play]:visible")


def test_edits_of_a_film_survive_a_reload_during_the_run(browser: Any, tmp_path: Path) -> None:
    film = write_video(
        tmp_path / "old.mp4", [scene(n, seed, SIZE) for seed in (0, 7, 9, 11) for n in range(20)]
    )
    store = tmp_path / "old.film.json"
    with film_server(film) as url, watched_pad(browser, url) as pad:
        wait_for_frame(pad, 0)
        pad.page.fill("[aria-label='Go to frame']", "27")
        pad.page.keyboard.press("Enter")
        wait_for_frame(pad, 27)
        for place, color in (((30, 30), "#c04020"), ((90, 60), "#2a4f8a")):
            pad.add_point(*place, color)
        pad.page.wait_for_selector(".cz-film-item[data-edited=true]")
        pad.page.click("[data-action=film-apply]")
        pad.page.wait_for_selector(".cz-film-progress:visible")
        pad.page.reload()
        wait_for_frame(pad, 27)
        assert len(pad.recipe()["points"]) == 2
        # an edit during the run is for the next run
        pad.page.keyboard.press("Escape")
        pad.add_point(60, 20, "#507030")
        wait_for_result(pad)
        assert (tmp_path / "old.color.mp4").is_file()
        pad.page.wait_for_selector("[data-action=film-apply]:enabled")
        saved = pad.recipe()["points"]
        assert len(saved) == 3
        colors = [point["color"] for point in saved]
        # edits are stored after a pause
        while not store.is_file() or any(color not in store.read_text(encoding="utf-8") for color in colors):
            pad.page.wait_for_timeout(50)
    # after a restart of the server
    with film_server(film) as url, watched_pad(browser, url) as pad:
        wait_for_frame(pad, 27)
        assert pad.recipe()["points"] == saved
        (key,) = json.loads(store.read_text(encoding="utf-8"))["keys"]
        stored = [(point["x"], point["y"], point["color"]) for point in key["recipe"]["points"]]
        assert (key["frame"], stored) == (27, [(point["x"], point["y"], point["color"]) for point in saved])


def test_last_edit_is_stored_before_the_server_stops(browser: Any, tmp_path: Path) -> None:
    film = write_video(tmp_path / "old.mp4", [scene(n, 0, SIZE) for n in range(8)])
    studio = Studio(device="cpu")
    studio.film = Film(film, device="cpu", size=64)
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _), watched_pad(browser, url) as pad:
        wait_for_frame(pad, 0)
        # the page waits 150 ms without an edit before it sends the edits
        pad.page.evaluate(
            "() => { const later = setTimeout; window.setTimeout = (act, after, ...more) => "
            "later(act, after === 150 ? 60000 : after, ...more); }"
        )
        pad.add_point(60, 20, "#507030")
        assert not (tmp_path / "old.film.json").exists()
        stopping = threading.Thread(target=studio.film.request_edits)
        stopping.start()
        while stopping.is_alive():  # the page needs the thread of Playwright
            pad.page.wait_for_timeout(20)
        (key,) = json.loads((tmp_path / "old.film.json").read_text(encoding="utf-8"))["keys"]
        colors = [point["color"] for point in pad.recipe()["points"]]
        assert [point["color"] for point in key["recipe"]["points"]] == colors
        assert len(colors) == 1
