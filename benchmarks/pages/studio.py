"""Make the pictures of docs/studio.md: scripted sessions of the drawing pad in chromium.

Run with ``python -m benchmarks.pages.studio``; it needs the extra ``test`` and a chromium.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

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
    (90, 40, "#a5cdf2"),
    (600, 40, "#a5cdf2"),
    (60, 230, "#a8583c"),
    (370, 165, "#8f5a42"),
    (200, 290, "#d8c9ae"),
    (385, 268, "#5c7a40"),
    (100, 160, "#a8583c"),
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
    """Make all pictures."""
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    with running(Studio(device="cpu"), Address(port=0)) as (url, _), chromium() as browser:
        for name, (scene, options) in SCENES.items():
            pad = BrowserPad(browser, url, **options)
            scene(pad)
            pad.page.wait_for_timeout(400)
            save(pad.page.screenshot(), IMAGES / f"{name}.jpg")
            pad.close()


if __name__ == "__main__":
    main()
