"""The page without a server against ``colorzoo colorize``: pixels that two automatic points color otherwise.

The page is written with the default model, opened in Chromium from a plain web server, and asked for PNGs of
two photos of this repository. ``--data`` names a folder of other photos; each gets points at the same places.
"""

from __future__ import annotations

import http.server
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import colorzoo
from benchmarks._common import DOCS, Options, Row, share_of, where
from benchmarks.studio import PATIENCE, chromium
from colorzoo.studio.static_page import page_models, write_page

PHOTOS = ("astronaut.jpg", "chelsea_cat.jpg")
PLACES = (((0.3, 0.35), "#3a6ea8"), ((0.68, 0.6), "#b5512e"))  # shares of the photo, and colors
DIFFERENT = 10  # levels of a channel
GOAL = 0.01


def run(options: Options) -> list[Row]:
    """Return the share of different pixels of each photo."""
    sources = DOCS / "images" / "sources"
    photos = sorted(options.data.iterdir()) if options.data else [sources / name for name in PHOTOS]
    rows = []
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        cards = page_models([options.model or "colorzoo2026"])
        log = partial(print, file=sys.stderr, flush=True)
        write_page(folder / "page", cards, photos[: options.pictures], log)
        with serving(folder / "page") as url:
            for photo in photos[: options.pictures]:
                recipe = write_recipe(photo, folder / f"{photo.stem}.json", cards[0].name)
                made = folder / f"{photo.stem}.png"
                shown = color_in(browser, f"{url}?photo={photo.name}", recipe, made)
                expected = np.asarray(colorzoo.colorize(photo, guidance=shown))
                share = different_share(made, expected)
                claim = f"{photo.name}: share of pixels off by more than {DIFFERENT} levels in the page"
                rows.append(share_of(f"{claim}, against the limit", share, GOAL, 1.0, where()))
    return rows


def different_share(made: Path, expected: np.ndarray) -> float:
    """Return the share of pixels of a file that differ in any channel."""
    with Image.open(made) as opened:
        found = np.asarray(opened.convert("RGB")).astype(int)
    return float((np.abs(found - expected).max(axis=2) > DIFFERENT).mean())


def write_recipe(photo: Path, path: Path, model: str) -> Path:
    """Write a recipe with two automatic points."""
    with Image.open(photo) as opened:
        width, height = opened.size
    points = [
        {"x": round(x * width, 1), "y": round(y * height, 1), "radius": 3, "color": color}
        for (x, y), color in PLACES
    ]
    image = {"width": width, "height": height}
    path.write_text(json.dumps({"version": 2, "image": image, "model": model, "points": points}))
    return path


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def color_in(browser: Any, url: str, recipe: Path, target: Path) -> dict[str, Any]:
    """Load a recipe, save the colored photo as PNG, and return the recipe as any pad states it."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    with page.expect_file_chooser() as chooser:
        page.click("[data-action=load]")
    chooser.value.set_files(recipe)
    page.wait_for_selector(f".cz-toasts >> text=Recipe {recipe.name} loaded")
    page.wait_for_timeout(500)
    page.wait_for_selector(".colorzoo-pad[data-state=ready]")
    page.click("[data-action=export]")
    page.check("input[name=cz-format][value=png]")
    with page.expect_download() as download:
        page.click("[data-action=export-now]")
    download.value.save_as(target)
    shown: dict[str, Any] = page.evaluate("() => colorzooPad.recipe()")
    page.close()
    return shown
