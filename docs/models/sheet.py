"""Draw a contact sheet of a folder of photos: ``python -m docs.models.sheet FOLDER SHEET.jpg [MODEL ...]``.

From left, for each photo: gray, colored by each model, and the truth if the photo has colors; with
``--whole`` each model also colors the whole scan, with its border.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from benchmarks._common import single_thread
from PIL import Image, ImageDraw, ImageOps

import colorzoo
from colorzoo.data.sources import find_sources
from colorzoo.image_io.raster_image import is_gray
from colorzoo.image_io.read import read_image

GAP, CAPTION = 4, 14  # pixels: between images, of a name


def main() -> None:
    """Draw the sheet of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("models", nargs="*", default=["colorzoo2026"])
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first photo")
    parser.add_argument("--count", type=int, default=24, metavar="N", help="number of photos")
    parser.add_argument("--across", type=int, default=3, metavar="N", help="photos in a line")
    parser.add_argument("--height", type=int, default=160, metavar="PIXELS", help="height of an image")
    parser.add_argument("--whole", action="store_true", help="also color whole scans, with their borders")
    args = parser.parse_args()
    borders = ("none", "automatic") if args.whole else ("automatic",)
    single_thread()
    chosen = islice(find_sources(args.folder), args.first, args.first + args.count)
    strips = [draw_strip(Path(source.path), args.models, borders, args.height) for source in chosen]
    draw_sheet(strips, args.across).save(args.sheet, quality=90, optimize=True)


def draw_strip(path: Path, models: Sequence[str], borders: Sequence[str], height: int) -> Image.Image:
    """Draw the gray photo, the result of each model with each border setting, and the original in a row."""
    photo = Image.open(path).convert("RGB")
    gray = ImageOps.grayscale(photo)
    images = [gray, *(colorzoo.colorize(gray, name, border=border) for name in models for border in borders)]
    if not is_gray(read_image(path)):
        images.append(photo)
    small = [_at_height(image, height) for image in images]
    width = sum(image.width + GAP for image in small)
    strip = Image.new("RGB", (width, height + CAPTION), "white")
    x = 0
    for image in small:
        strip.paste(image, (x, 0))
        x += image.width + GAP
    ImageDraw.Draw(strip).text((0, height + 1), path.stem, fill="black")
    return strip


def draw_sheet(strips: Sequence[Image.Image], across: int) -> Image.Image:
    """Return strips in lines, on white."""
    lines = [strips[first : first + across] for first in range(0, len(strips), across)]
    width = max(sum(strip.width for strip in line) for line in lines)
    sheet = Image.new("RGB", (width, len(lines) * strips[0].height), "white")
    for row, line in enumerate(lines):
        x = 0
        for strip in line:
            sheet.paste(strip, (x, row * strip.height))
            x += strip.width
    return sheet


def _at_height(image: Image.Image, height: int) -> Image.Image:
    width = round(image.width * height / image.height)
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
