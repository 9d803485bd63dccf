"""Make the before/after pictures of the documentation with the embedded model."""

from __future__ import annotations

import argparse

from PIL import Image, ImageOps

import colorzoo
from benchmarks._command import run_command
from benchmarks.pages import IMAGES
from colorzoo.inference.kinds import describe_statistics
from colorzoo.inference.picture_io import read_picture

SOURCES = IMAGES / "sources"
GAP = 8
THUMB = 240
HISTOGRAM_PHOTO = "buffalo_bank_1908"
HISTOGRAMS = ("coffee.jpg", "rocket.jpg", "astronaut.jpg", "emoji_turtle.png")

# Points that a person placed, in pixels of the source.
POINTS: dict[str, list[tuple[float, float, str]]] = {
    "buffalo_bank_1908": [
        (30, 60, "#9fc3ea"),
        (360, 130, "#b9cde2"),
        (100, 240, "#b58a66"),
        (170, 190, "#b58a66"),
        (150, 62, "#8a5642"),
        (265, 170, "#bda283"),
        (250, 372, "#cdbfa6"),
        (335, 330, "#cdbfa6"),
    ],
    "camera_gray": [
        (100, 50, "#8fbce8"),
        (360, 60, "#8fbce8"),
        (330, 330, "#7f9a4c"),
        (270, 250, "#7f9a4c"),
        (185, 105, "#cf9a78"),
        (150, 70, "#3a2a20"),
        (60, 300, "#2c3040"),
        (330, 160, "#cfc5b4"),
    ],
    "detroit_1915": [
        (90, 40, "#a5cdf2"),
        (600, 40, "#a5cdf2"),
        (100, 160, "#a8583c"),
        (60, 230, "#a8583c"),
        (370, 165, "#8f5a42"),
        (300, 330, "#d8c9ae"),
        (200, 290, "#d8c9ae"),
        (110, 372, "#a33b2a"),
        (385, 268, "#5c7a40"),
    ],
    "migrant_mother_1936": [
        (175, 125, "#d8a686"),
        (190, 190, "#d49f7e"),
        (180, 300, "#cf9a7a"),
        (150, 85, "#46301f"),
        (110, 350, "#8b7f86"),
        (60, 320, "#7c8a76"),
        (100, 175, "#6d5236"),
        (310, 120, "#6d4f32"),
        (330, 260, "#74808f"),
        (230, 420, "#ddd2bd"),
        (355, 400, "#8f8068"),
        (60, 70, "#6c6a56"),
    ],
}


def main() -> None:
    """Write one strip for each source: gray, automatic, with points, and the truth where there is one."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for source in sorted(SOURCES.glob("*.jpg")):
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        strip = [picture.convert("L").convert("RGB"), colorzoo.colorize(picture)]
        if points := POINTS.get(source.stem):
            strip.append(colorzoo.colorize(picture, guidance=recipe(points)))
        if not is_gray(picture):
            strip.append(picture)
        side_by_side(strip).save(IMAGES / f"{source.stem}.jpg", quality=88)
    histogram_transfer().save(IMAGES / "histograms.jpg", quality=85)


def histogram_transfer() -> Image.Image:
    """Return two rows: a gray photo and four foreign pictures, and the photo with the histogram of each."""
    photo = Image.open(SOURCES / f"{HISTOGRAM_PHOTO}.jpg").convert("RGB")
    height = THUMB * photo.height // photo.width
    above, below = [photo.convert("L").convert("RGB")], [colorzoo.colorize(photo, "zhang2017_global_small")]
    for name in HISTOGRAMS:
        reference = Image.open(SOURCES / name).convert("RGBA")
        opaque = Image.alpha_composite(Image.new("RGBA", reference.size, "white"), reference).convert("RGB")
        statistics = describe_statistics(read_picture(opaque))
        guidance = {"statistics": {"histogram": statistics["histogram"]}}
        above.append(ImageOps.fit(opaque, photo.size))
        below.append(colorzoo.colorize(photo, "zhang2017_global_small", guidance))
    rows = [side_by_side([each.resize((THUMB, height)) for each in row]) for row in (above, below)]
    both = Image.new("RGB", (rows[0].width, 2 * height + GAP), "white")
    both.paste(rows[0], (0, 0))
    both.paste(rows[1], (0, height + GAP))
    return both


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
    run_command(main)
