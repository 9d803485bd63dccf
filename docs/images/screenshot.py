"""Take the screenshots of the pad in README and docs/studio.md: ``python -m docs.images.screenshot``."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

import av
from benchmarks._common import DOCS
from benchmarks.studio import pad_server
from PIL import Image, ImageOps

sys.path.insert(0, str(DOCS.parent / "tests" / "apps" / "studio"))
from browser_pad import BrowserPad, chromium

IMAGES = DOCS / "images"
STREET, PORTRAIT = (IMAGES / "sources" / name for name in ("detroit_1915.jpg", "migrant_mother_1936.jpg"))
DRAWING = IMAGES / "sources" / "drawings" / "portrait.png"
SCREEN = {"viewport": {"width": 1366, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
FILM_SIZE = (640, 416)  # width and height in pixels
SELECTED = 6  # index of the point whose color the panel shows


def main() -> None:
    """Serve the pad with a copy of a photo, so that no work is saved beside it, and write its screenshots."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        street = Path(shutil.copy(STREET, folder))
        with pad_server(street) as url:
            screen = BrowserPad(browser, url, **SCREEN)
            take_work(screen)
            take_comparison(screen)
            take_areas(screen)
            take_colorings(screen)
            take_drawing(screen)
            screen.close()
            phone = BrowserPad(browser, url, **PHONE)
            load_recipe(phone, STREET)
            select_point(phone)
            save(phone, "studio_phone")
            phone.close()
        with pad_server(write_film(Path(folder) / "street.mp4")) as url:
            screen = BrowserPad(browser, url, **SCREEN)
            take_film(screen)
            screen.close()


def write_film(path: Path) -> Path:
    """Write a film that moves over three photographs."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *FILM_SIZE, "yuv420p"
        for photo, count in (
            (STREET, 60),
            (PORTRAIT, 40),
            (IMAGES / "sources" / "buffalo_bank_1908.jpg", 50),
        ):
            with Image.open(photo) as image:
                whole = ImageOps.fit(image.convert("RGB"), (FILM_SIZE[0] + count, FILM_SIZE[1]))
            for left in range(count):
                part = whole.crop((left, 0, left + FILM_SIZE[0], FILM_SIZE[1]))
                container.mux(stream.encode(av.VideoFrame.from_image(part)))
        container.mux(stream.encode())
    return path


def take_film(pad: BrowserPad) -> None:
    """Show the strip of a film and two points on a frame."""
    pad.page.wait_for_selector("[aria-label=Shots] .cz-film-item:nth-child(3)")
    pad.page.fill("[aria-label='Go to frame']", "24")
    pad.page.keyboard.press("Enter")
    pad.page.wait_for_selector(".cz-photo-name >> text=/24/")
    pad.settle()
    for place, color in (((90, 300), "#d8b48c"), ((420, 90), "#dceafc")):
        pad.add_point(*place, color)
    pad.page.wait_for_selector("[data-edited=true]")
    save(pad, "studio_film")


def take_work(pad: BrowserPad) -> None:
    """Show the points of a street, and the color of one of them."""
    load_recipe(pad, STREET)
    select_point(pad)
    save(pad, "studio_work")


def take_comparison(pad: BrowserPad) -> None:
    """Show the gray and the colorized photo side by side, in the dark appearance."""
    pad.page.emulate_media(color_scheme="dark")
    pad.page.click("[data-action=compare-side]")
    pad.page.keyboard.press("Escape")
    pad.settle()
    save(pad, "studio_compare")
    pad.page.click("[data-action=compare-side]")
    pad.page.emulate_media(color_scheme="light")


def take_areas(pad: BrowserPad) -> None:
    """Show a selected object with its actions."""
    pad.open_ready(PORTRAIT)
    pad.page.click("[data-tool=area]")
    pad.click(300, 420)
    pad.page.wait_for_selector(".cz-select-bar:visible")
    pad.settle()
    save(pad, "studio_areas")


def take_colorings(pad: BrowserPad) -> None:
    """Show the likely colors of a photo without hints."""
    pad.open_ready(PORTRAIT)
    pad.page.wait_for_selector("[data-role=coloring]:nth-child(4) canvas")
    pad.settle()
    save(pad, "studio_colorings")


def take_drawing(pad: BrowserPad) -> None:
    """Show the colors of a drawing, and the region under the pointer."""
    pad.open_ready(DRAWING)
    load_recipe(pad, DRAWING)
    pad.page.keyboard.press("g")
    pad.page.click("[aria-label='Colors of the drawing'] button >> nth=0")
    pad.page.mouse.move(*pad.place(384, 384))
    pad.next_frame()
    save(pad, "studio_drawing")


def load_recipe(pad: BrowserPad, photo: Path) -> None:
    """Load the recipe beside a photo."""
    pad.settle()
    for toast in pad.page.locator(".cz-toast [aria-label=Close]").all():
        toast.click()
    recipe = json.loads(photo.with_suffix(".recipe.json").read_text(encoding="utf-8"))
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", recipe)
    pad.settle()


def select_point(pad: BrowserPad) -> None:
    """Select a point and wait for its likely colors."""
    pad.page.evaluate(f"colorzooPad.select({SELECTED})")
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()


def save(pad: BrowserPad, name: str) -> None:
    """Write a screenshot as JPEG."""
    with Image.open(io.BytesIO(pad.page.screenshot())) as shot:
        shot.convert("RGB").save(IMAGES / f"{name}.jpg", quality=86, optimize=True)


if __name__ == "__main__":
    main()
