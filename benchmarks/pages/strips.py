"""What a model makes of five pictures: ``python -m benchmarks.pages.strips [MODEL ...]``.

Writes ``docs/models/strips/NAME.jpg`` and, in ``docs/models/strips.json``, with which weights and pictures
each was made; strips whose weights and pictures have not changed since are left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps

import colorzoo
from benchmarks._command import run_command
from benchmarks._digests import weights_digest
from benchmarks._harness import single_thread
from benchmarks.pages import DOCS, IMAGES
from benchmarks.pages._record import is_fresh, read_entries, renew
from benchmarks.pages.photos import POINTS, is_gray, recipe
from benchmarks.pages.regions import read, views
from colorzoo.card import ModelCard
from colorzoo.inference.kinds import describe_statistics
from colorzoo.inference.picture_io import read_picture
from colorzoo.metrics.psnr import to_8bit
from colorzoo.registry import list_models, model_card

FOLDER = DOCS / "models" / "strips"
FILE = DOCS / "models" / "strips.json"
SOURCES = IMAGES / "sources"
# CC0 or in the public domain: portrait, street, landscape, room, animal
PHOTOS = ("astronaut", "detroit_1915", "rocket", "coffee", "chelsea_cat")
SKETCHES = ("parrot", "worker", "lantern", "lobster", "cherries")
CELL, GAP, GIVEN = 168, 4, 10
Row = Sequence[Image.Image]


def main() -> None:
    """Draw the strips that are missing or old."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", help="by default all that color on this machine")
    args = parser.parse_args()
    single_thread()
    renew(FILE, args.models or drawn_models(), digests, draw)


def draw(name: str) -> dict[str, str]:
    """Draw the strip of a model and return what its rows are."""
    rows = draw_rows(model_card(name))
    FOLDER.mkdir(parents=True, exist_ok=True)
    on_canvas(list(rows.values())).save(FOLDER / f"{name}.jpg", quality=85, optimize=True)
    return {"rows": "; ".join(rows)}


def drawn_models() -> list[str]:
    """Return the models of the zoo that color with what ships."""
    cards = [model_card(name) for name in list_models()]
    return [
        card.name
        for card in cards
        if card.task.startswith("colorzoo.zoo.")
        and (not card.trainable or any(entry.file for entry in card.weights.values()))
    ]


def read_record() -> dict[str, dict[str, str]]:
    """Return with what each strip was made."""
    return read_entries(FILE)


def digests(name: str) -> dict[str, str]:
    """Return with what the strip of a model would be made now."""
    sketches = model_card(name).input == "sketch"
    files = [SOURCES / "sketches" / f"{each}.jpg" for each in SKETCHES] if sketches else map(source, PHOTOS)
    content = b"".join(path.read_bytes() for path in files)
    return {"weights": weights_digest(name), "pictures": hashlib.sha256(content).hexdigest()[:16]}


def stale_strips() -> list[str]:
    """Return the models whose strip is missing, or older than its weights or pictures."""
    record = read_record()
    return [
        name
        for name in drawn_models()
        if not is_fresh(record.get(name), digests(name)) or not (FOLDER / f"{name}.jpg").is_file()
    ]


def source(name: str) -> Path:
    """Return the file of a photo."""
    return SOURCES / f"{name}.jpg"


def draw_rows(card: ModelCard) -> dict[str, Row]:
    """Return rows of pictures by what they show."""
    if card.input == "sketch":
        return sketch_rows(card.name)
    photos = [square(Image.open(source(name)).convert("RGB"), 256) for name in PHOTOS]
    rows: dict[str, Row] = {"before": [photo.convert("L").convert("RGB") for photo in photos]}
    alone = {"boxes": []} if "boxes" in card.guidance else None
    if card.trainable or not card.guidance:
        rows["without help"] = [colorzoo.colorize(photo, card.name, alone) for photo in photos]
    for kind, (title, give) in HELP.items():
        if kind in card.guidance:
            rows |= give(card.name, photos, title, alone or {})
    return rows


def with_points(name: str, photos: Row, title: str, base: Mapping[str, Any]) -> dict[str, Row]:
    """Color with ten true points, or those that a person placed where nobody knows the truth."""
    drawn = []
    for key, photo in zip(PHOTOS, photos, strict=True):
        points = _placed(key) if is_gray(photo) else _true_points(photo)
        drawn.append(colorzoo.colorize(photo, name, {**base, **recipe(points)}))
    return {title: drawn}


def with_exemplar(name: str, photos: Row, title: str, base: Mapping[str, Any]) -> dict[str, Row]:
    """Color each photo like the next one in color."""
    looks = [_next_in_color(photos, index) for index in range(len(photos))]
    drawn = []
    for photo, look in zip(photos, looks, strict=True):
        drawn.append(colorzoo.colorize(photo, name, dict(base), reference=look))
    return {"reference": looks, title: drawn}


def with_statistics(name: str, photos: Row, title: str, base: Mapping[str, Any]) -> dict[str, Row]:
    """Color each photo with the histogram of the next one in color."""
    drawn = []
    for index, photo in enumerate(photos):
        histogram = describe_statistics(read_picture(_next_in_color(photos, index)))["histogram"]
        drawn.append(colorzoo.colorize(photo, name, {**base, "statistics": {"histogram": histogram}}))
    return {title: drawn}


Help = Callable[[str, Row, str, Mapping[str, Any]], dict[str, Row]]
HELP: Mapping[str, tuple[str, Help]] = {
    "points": ("with ten points", with_points),
    "exemplar": ("like the reference", with_exemplar),
    "statistics": ("with the histogram of the next photo", with_statistics),
}


@torch.inference_mode()
def sketch_rows(name: str) -> dict[str, Row]:
    """Return sketches, and what the model paints after one and after six answers, and the truth."""
    model = colorzoo.create_model(name, offline=True).eval()
    columns = [views(model, read(SOURCES / "sketches" / f"{each}.jpg")) for each in SKETCHES]
    titles = {"sketch": 0, "after one answer": 3, "after six answers": 5, "truth": 6}
    return {title: [_to_image(column[place]) for column in columns] for title, place in titles.items()}


def on_canvas(rows: Sequence[Row]) -> Image.Image:
    """Return rows of squares on white."""
    step = CELL + GAP
    canvas = Image.new("RGB", (step * len(rows[0]) - GAP, step * len(rows) - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            canvas.paste(square(picture.convert("RGB"), CELL), (x * step, y * step))
    return canvas


def square(picture: Image.Image, side: int) -> Image.Image:
    """Return the central square of a picture."""
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)


def _placed(name: str) -> list[tuple[float, float, str]]:
    """Return the points of a person, brought to the central square of 256 pixels."""
    with Image.open(source(name)) as picture:
        width, height = picture.size
    side = min(width, height)
    left, top, scale = (width - side) / 2, (height - side) / 2, 256 / side
    moved = [((x - left) * scale, (y - top) * scale, color) for x, y, color in POINTS[name]]
    return [each for each in moved if 0 <= each[0] < 256 and 0 <= each[1] < 256]


def _true_points(photo: Image.Image) -> list[tuple[float, float, str]]:
    dice = random.Random(0)
    places = [(dice.randrange(8, 248), dice.randrange(8, 248)) for _ in range(GIVEN)]
    small = photo.resize((64, 64), Image.Resampling.BOX)
    return [(x, y, "#{:02x}{:02x}{:02x}".format(*small.getpixel((x // 4, y // 4)))) for x, y in places]


def _next_in_color(photos: Row, index: int) -> Image.Image:
    after = [*photos[index + 1 :], *photos[:index]]
    return next(photo for photo in after if not is_gray(photo))


def _to_image(view: torch.Tensor) -> Image.Image:
    return Image.fromarray(to_8bit(view)[0].byte().permute(1, 2, 0).numpy())


if __name__ == "__main__":
    run_command(main)
