"""Take the screenshot of the pad at the top of README: ``python -m docs.images.screenshot``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from benchmarks._common import DOCS
from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = DOCS / "images"
SOURCE = IMAGES / "sources" / "detroit_1915.jpg"
SELECTED = 6  # index of the point whose color the panel shows
READY = ".colorzoo-pad[data-state=ready]"


def main() -> None:
    """Serve the pad with an edited image, and write its screenshot."""
    recipe = SOURCE.with_suffix(".recipe.json")
    command = [sys.executable, "-m", "colorzoo", "studio", str(SOURCE), "--recipe", str(recipe)]
    with subprocess.Popen([*command, "--no-browser"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        try:
            take(url)
        finally:
            server.terminate()


def take(url: str) -> None:
    """Write the screenshot of the pad at an address."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.wait_for_selector(READY, timeout=60_000)
        page.evaluate(f"window.colorzooPad.select({SELECTED})")
        page.wait_for_selector('[data-role="suggestion"]')
        page.wait_for_timeout(4_000)  # milliseconds, for the last query
        page.wait_for_selector(READY)
        shot = IMAGES / "studio_work.png"
        page.screenshot(path=shot)
        browser.close()
    Image.open(shot).convert("RGB").save(IMAGES / "studio_work.jpg", quality=88, optimize=True)
    shot.unlink()


if __name__ == "__main__":
    main()
