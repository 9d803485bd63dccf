"""Make the before/after pictures of the documentation with the embedded model: ``python docs/build_images.py``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import colorzoo

IMAGES = Path(__file__).parent / "images"
SOURCES = IMAGES / "sources"
GAP = 8

# Points that a person would place, in pixels of the source.
POINTS: dict[str, list[tuple[float, float, str]]] = {
    "migrant_mother_1936": [],
    "detroit_1915": [],
    "buffalo_bank_1908": [],
    "camera_gray": [],
}


def main() -> None:
    """Write one strip for each source: gray, automatic, with points, and the truth where there is one."""
    for source in sorted(SOURCES.glob("*.jpg")):
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        strip = [picture.convert("L").convert("RGB"), colorzoo.colorize(picture)]
        if points := POINTS.get(source.stem):
            strip.append(colorzoo.colorize(picture, guidance=recipe(points)))
        if not is_gray(picture):
            strip.append(picture)
        side_by_side(strip).save(IMAGES / f"{source.stem}.jpg", quality=88)


def recipe(points: list[tuple[float, float, str]]) -> dict[str, object]:
    """Return the points as a recipe."""
    return {"points": [{"x": x, "y": y, "radius": 4, "color": color} for x, y, color in points]}


def is_gray(picture: Image.Image) -> bool:
    """Say whether the channels of a picture are nearly equal."""
    red, green, blue = (band.resize((64, 64)) for band in picture.split())
    pairs = zip(red.tobytes(), green.tobytes(), blue.tobytes(), strict=True)
    return all(max(pixel) - min(pixel) < 12 for pixel in pairs)


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Paste pictures of one size into a row."""
    width, height = pictures[0].size
    row = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), "white")
    for index, picture in enumerate(pictures):
        row.paste(picture, (index * (width + GAP), 0))
    return row


if __name__ == "__main__":
    main()
