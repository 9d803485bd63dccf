"""Draw the images of README, the gallery and the page of the pad: ``python -m docs.images.draw FOLDER``.

FOLDER contains the scans of the gallery. The default model colorizes them without guidance, or with the
recipes in ``sources``. In ``first_screen``, ``gallery_best`` and ``gallery_worst`` every scan is cropped to
the image within its border.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks._common import DOCS, single_thread
from PIL import Image

import colorzoo

GAP = 6  # pixels between images
# image within the border of each scan: x, y, width, height
BORDERS = {
    "USF34-058042": (24, 23, 506, 373),
    "USW3-042236": (47, 37, 346, 342),
    "USF33-013061": (18, 26, 552, 370),
    "USF34-018973": (39, 69, 353, 368),
    "USF33-011485": (14, 26, 559, 374),
    "USF34-012781": (83, 38, 357, 352),
    "USF33-012762": (24, 17, 373, 561),
    "USF33-006507": (18, 27, 562, 372),
    "USW3-041889": (66, 34, 353, 351),
    "USF34-060671": (25, 23, 374, 503),
    "USF34-110133": (35, 33, 351, 353),
    "USF34-029514": (13, 14, 388, 516),
    "USW3-023749": (26, 33, 357, 372),
}
STRIP = ("USF34-058042", "USW3-042236", "USF33-013061", "USF34-018973")
BEST = (("USF33-011485", "USW3-042236"), ("USF34-058042", "USF34-012781"), ("USF33-013061", "USF33-012762"))
WORST = (("USF33-006507", "USW3-041889"), ("USF34-060671", "USF34-110133", "USF34-029514", "USW3-023749"))
# figure: folder of the recipes below sources/, and the scans of each row
EDITED = {
    "points_blend": ("historic", (("USE6-D-009289", "USF33-012762", "USF34-029514"),
                                  ("USF34-042633", "USW3-015163", "USW3-042236"))),
    "studio_acts": ("historic", (("USF33-013305", "USW3-017248"), ("USF33-006507",))),
    "studio_six": ("new_tools", (("USF34-018973", "USF34-053254"), ("USF33-006507", "USW3-033480"),
                                 ("USF34-052351", "USF34-030490"))),
}  # fmt: skip
SOURCES = DOCS / "images" / "sources"
Row = Sequence[Image.Image]


def main() -> None:
    """Write the strip, and the sheets of the best and the worst images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="historic/ of the data")
    folder: Path = parser.parse_args().folder
    single_thread()
    pairs = [draw_pair(folder, name) for name in STRIP]
    rows = [[pair[index] for pair in pairs] for index in (0, 1)]
    save_rows(rows, 1430, "first_screen")
    for name, lines in (("gallery_best", BEST), ("gallery_worst", WORST)):
        rows = [[image for each in line for image in draw_pair(folder, each)] for line in lines]
        save_rows(rows, 1600, name)
    for name, (recipes, lines) in EDITED.items():
        rows = [[image for each in line for image in draw_edit(folder, recipes, each)] for line in lines]
        save_rows(rows, 1400, name)
    for name in ("detroit_1915", "migrant_mother_1936"):
        recipe = SOURCES / f"{name}.recipe.json"
        save(colorzoo.colorize(SOURCES / f"{name}.jpg", guidance=recipe), name)
    save(colorzoo.colorize(SOURCES / "film_frame.jpg"), "film_frame")
    save(colorzoo.colorize(SOURCES / "film_frame.jpg", border="none"), "film_frame_whole")


def draw_edit(folder: Path, recipes: str, name: str) -> tuple[Image.Image, Image.Image]:
    """Return a scan with automatic colors and colorized with its recipe, both cropped as in the recipe."""
    path = folder / f"LC-{name}.jpg"
    recipe = json.loads((SOURCES / recipes / f"LC-{name}.recipe.json").read_text(encoding="utf-8"))
    cropped = {key: recipe[key] for key in ("version", "image", "crop") if key in recipe}
    return colorzoo.colorize(path, guidance=cropped), colorzoo.colorize(path, guidance=recipe)


def draw_pair(folder: Path, name: str) -> tuple[Image.Image, Image.Image]:
    """Return a scan in gray and colorized, both within its border."""
    path = folder / f"LC-{name}.jpg"
    x, y, width, height = BORDERS[name]
    box = (x, y, x + width, y + height)
    gray = Image.open(path).convert("RGB").crop(box)
    return gray, colorzoo.colorize(path, border=BORDERS[name]).convert("RGB").crop(box)


def save_rows(rows: Sequence[Row], width: int, name: str) -> None:
    """Write rows of images, each scaled to the full width, on white."""
    scaled = [scale_row(row, width) for row in rows]
    height = sum(row[0].height + GAP for row in scaled) - GAP
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for row in scaled:
        left = 0
        for image in row:
            sheet.paste(image, (left, top))
            left += image.width + GAP
        top += row[0].height + GAP
    save(sheet, name)


def save(image: Image.Image, name: str) -> None:
    """Write an image of the documentation."""
    image.convert("RGB").save(DOCS / "images" / f"{name}.jpg", quality=85, optimize=True)


def scale_row(row: Row, width: int) -> Row:
    """Return images of equal height that fill the width."""
    height = (width - GAP * (len(row) - 1)) / sum(image.width / image.height for image in row)
    return [
        image.resize((round(image.width * height / image.height), round(height)), Image.Resampling.LANCZOS)
        for image in row
    ]


if __name__ == "__main__":
    main()
