"""Draw the strip of four images at the top of README.md: ``python -m docs.models.first_screen``.

The upper row has the gray scans, the lower row the results. The recipes beside the sources color the two
images on the right.
"""

from __future__ import annotations

from benchmarks._common import DOCS
from PIL import Image

NAMES = ("buffalo_bank_1908", "film_frame", "migrant_mother_1936", "detroit_1915")
HEIGHT, GAP = 300, 6  # pixels


def draw_strip() -> Image.Image:
    """Return the strip, with the sources above and the results below."""
    rows = [[load(f"{folder}/{name}.jpg") for name in NAMES] for folder in ("images/sources", "images")]
    width = sum(image.width for image in rows[0]) + GAP * (len(NAMES) - 1)
    strip = Image.new("RGB", (width, 2 * HEIGHT + GAP), "white")
    for row, images in enumerate(rows):
        left = 0
        for image in images:
            strip.paste(image, (left, row * (HEIGHT + GAP)))
            left += image.width + GAP
    return strip


def load(path: str) -> Image.Image:
    """Return an image of the documentation, resized to ``HEIGHT``."""
    image = Image.open(DOCS / path).convert("RGB")
    return image.resize((round(image.width * HEIGHT / image.height), HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw_strip().save(DOCS / "images" / "first_screen.jpg", quality=82, optimize=True)
