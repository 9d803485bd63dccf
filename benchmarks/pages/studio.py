"""Make the pictures of docs/studio.md: scripted sessions of the drawing pad in chromium.

Run with ``python -m benchmarks.pages.studio``; it needs the extra ``test`` and a chromium.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks._command import named, run_command
from benchmarks.pages import IMAGES

ROOT = IMAGES.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "studio"))

from browser_pad import BrowserPad, chromium, missing  # noqa: E402

from colorzoo.studio.desk import Studio  # noqa: E402
from colorzoo.studio.serve import Address, running  # noqa: E402

DETROIT = IMAGES / "sources" / "detroit_1915.jpg"
MOTHER = IMAGES / "sources" / "migrant_mother_1936.jpg"
MOST_BYTES = 300_000

STREET = [
    (690, 120, "#9a5f48"),
    (580, 100, "#d8cfbc"),
    (370, 190, "#7c4a3a"),
    (450, 235, "#c4a678"),
    (300, 330, "#c4b8a4"),
    (385, 268, "#5c7a40"),
    (60, 200, "#96604a"),
]
PORTRAIT = [(175, 125, "#d8a686"), (190, 190, "#d49f7e"), (330, 260, "#74808f"), (110, 350, "#8b7f86")]


def give(pad: BrowserPad, points: list[tuple[float, float, str]]) -> None:
    """Click points and write their colors, as a person would."""
    for x, y, color in points:
        pad.click(x, y)
        pad.settle()
        pad.page.fill(".cz-hex", color)
        pad.page.press(".cz-hex", "Enter")
        pad.settle()
    pad.page.mouse.move(640, 30)
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.page.wait_for_selector(".cz-suggestions:not(.cz-stale)")


def work(pad: BrowserPad) -> None:
    """The whole pad, a point selected."""
    pad.open_ready(DETROIT)
    give(pad, STREET)


def split(pad: BrowserPad) -> None:
    """Before and after on two sides of a line."""
    work(pad)
    pad.page.click("[data-action=compare]")


def phone(pad: BrowserPad) -> None:
    """A narrow screen."""
    pad.open_ready(MOTHER)
    give(pad, PORTRAIT)


def keys(pad: BrowserPad) -> None:
    """The sheet of shortcuts."""
    pad.open_ready(MOTHER)
    pad.page.keyboard.press("?")


SCENES: dict[str, tuple[Callable[[BrowserPad], None], dict[str, object]]] = {
    "studio_work": (work, {}),
    "studio_split": (split, {"color_scheme": "dark"}),
    "studio_phone": (phone, {"viewport": {"width": 390, "height": 844}}),
    "studio_keys": (keys, {}),
}


def save(picture: bytes, target: Path) -> None:
    """Write a screenshot as JPEG, as large as the documentation may hold."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(target, quality=88, optimize=True, progressive=True)
    size = target.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{target.name} has {size} bytes, more than {MOST_BYTES}")
    print(f"{target.relative_to(ROOT)}: {size / 1000:.0f} kB")


def main() -> None:
    """Make all pictures, or those that are named."""
    names = named(SCENES, __doc__)
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    with running(Studio(device="cpu"), Address(port=0)) as (url, _), chromium() as browser:
        for name in names:
            scene, options = SCENES[name]
            pad = BrowserPad(browser, url, **options)
            scene(pad)
            pad.page.wait_for_timeout(400)
            save(pad.page.screenshot(), IMAGES / f"{name}.jpg")
            pad.close()


if __name__ == "__main__":
    run_command(main)
