"""Draw the gallery of finished drawings: automatic colors, the first three clicks, and all clicks.

Usage: python docs/images/finished_drawings.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer

FOLDER = Path(__file__).parent
NAMES = ("portrait", "figure", "scene", "page")
SIDE = 400
CLICKS = (0, 3, None)


def row(colorizer: Colorizer, name: str) -> Image.Image:
    """Return the drawing with no, the first three and all points of its recipe, side by side."""
    levels = np.asarray(Image.open(FOLDER / "sources/drawings" / f"{name}.png"))
    recipe = Recipe.from_json(FOLDER / "sources/drawings" / f"{name}.recipe.json")
    sheet = Image.new("RGB", (len(CLICKS) * SIDE, SIDE), "white")
    for column, count in enumerate(CLICKS):
        colored = colorizer.colorize(levels, replace(recipe, points=recipe.points[:count]))
        image = Image.fromarray(colored.levels())
        image.thumbnail((SIDE - 8, SIDE - 8), Image.Resampling.LANCZOS)
        sheet.paste(image, (column * SIDE + (SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return sheet


def main() -> None:
    """Write drawings_finished.jpg."""
    colorizer = Colorizer("colorzoo2026_drawing", device="cpu")
    sheet = Image.new("RGB", (len(CLICKS) * SIDE, len(NAMES) * SIDE), "white")
    for number, name in enumerate(NAMES):
        sheet.paste(row(colorizer, name), (0, number * SIDE))
    sheet.save(FOLDER / "drawings_finished.jpg", quality=82)


if __name__ == "__main__":
    main()
