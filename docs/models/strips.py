"""Draw the example grids of the pages of the papers: ``python -m docs.models.strips [MODEL ...]``.

Writes ``docs/models/strips/NAME.jpg``. ``docs/models/strips.json`` records the weights and images of each,
so that only outdated strips are drawn again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks._common import DOCS, single_thread, weights_digest
from PIL import Image, ImageOps
from torch import Tensor

import colorzoo
from colorzoo.card import ModelCard
from colorzoo.color import rgb_to_gray, xdog
from colorzoo.factory import create_coloring_model
from colorzoo.files import write_atomic
from colorzoo.guidance import Guidance, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.guidance.fields import format_hex
from colorzoo.image_io.read import read_image
from colorzoo.inference.references import describe_statistics
from colorzoo.metrics.psnr import to_8bit
from colorzoo.registry import model_card

FOLDER = DOCS / "models" / "strips"
RECORD = DOCS / "models" / "strips.json"
PAGES = DOCS.parent / "src" / "colorzoo" / "zoo"
SOURCES = DOCS / "images" / "sources"
# CC0 or in the public domain: portrait, street, landscape, room, animal
PHOTOS = ("astronaut", "detroit_1915", "rocket", "coffee", "chelsea_cat")
SKETCHES = ("parrot", "worker", "lantern", "lobster", "cherries")
CELL, GAP, POINTS = 168, 4, 10
SATURATION = 0.5
REGION_TINTS = (
    (230, 60, 60),
    (240, 150, 40),
    (235, 215, 60),
    (90, 180, 80),
    (70, 140, 220),
    (150, 90, 200),
)
# Boxes around the main objects, in pixels of the central square of 256: x, y, width, height
BOXES = {
    "astronaut": (30, 60, 130, 190),
    "detroit_1915": (0, 60, 80, 110),
    "rocket": (110, 55, 30, 180),
    "coffee": (25, 5, 225, 240),
    "chelsea_cat": (5, 5, 240, 245),
}
# The true colors of this photo are unknown: points chosen by hand, in pixels of the source
STREET_POINTS = (
    (90, 40, "#a5cdf2"),
    (600, 40, "#a5cdf2"),
    (100, 160, "#a8583c"),
    (60, 230, "#a8583c"),
    (370, 165, "#8f5a42"),
    (300, 330, "#d8c9ae"),
    (200, 290, "#d8c9ae"),
    (110, 372, "#a33b2a"),
    (385, 268, "#5c7a40"),
)
Row = Sequence[Image.Image]
Points = list[tuple[float, float, str]]


def main() -> None:
    """Draw the example grids that are missing or outdated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", help="default: all models whose grid is missing or outdated")
    names = parser.parse_args().models or stale_strips()
    single_thread()
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = read_record()
    for name in names:
        rows = draw_rows(model_card(name))
        on_canvas(list(rows.values())).save(FOLDER / f"{name}.jpg", quality=85, optimize=True)
        record[name] = {**digests(name), "rows": "; ".join(rows)}
        write_atomic(RECORD, (json.dumps(dict(sorted(record.items())), indent=1) + "\n").encode())
        print(name, record[name]["rows"], flush=True)


def shown_models() -> list[str]:
    """Return the models whose strip a page shows."""
    pages = (path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*/README.md")))
    return [name for page in pages for name in re.findall(r"strips/(\w+)\.jpg", page)]


def read_record() -> dict[str, dict[str, str]]:
    """Return the weights, images and rows of each strip."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


def digests(name: str) -> dict[str, str]:
    """Return digests of the current weights and images of a model."""
    sketches = model_card(name).input == "sketch"
    files = [SOURCES / "sketches" / f"{each}.jpg" for each in SKETCHES] if sketches else map(source, PHOTOS)
    content = b"".join(path.read_bytes() for path in files)
    return {"weights": weights_digest(name), "images": hashlib.sha256(content).hexdigest()[:16]}


def stale_strips() -> list[str]:
    """Return the models whose strip is missing, or older than its weights or images."""
    record = read_record()
    return [
        name
        for name in shown_models()
        if not record.get(name, {}).items() >= digests(name).items() or not (FOLDER / f"{name}.jpg").is_file()
    ]


def source(name: str) -> Path:
    """Return the file of a photo."""
    return SOURCES / f"{name}.jpg"


def draw_rows(card: ModelCard) -> dict[str, Row]:
    """Return the rows of a strip by caption."""
    if card.input == "sketch":
        return region_rows(card.name) if "regions" in card.guidance else sketch_rows(card)
    # A reference must have colors, so its models are shown without the gray street.
    by_another = {"exemplar", "statistics"} & set(card.guidance)
    names = [name for name in PHOTOS if not by_another or name != "detroit_1915"]
    photos = {name: square(Image.open(source(name)).convert("RGB"), 256) for name in names}
    alone: dict[str, Any] = {"boxes": []} if "boxes" in card.guidance else {}

    def color(
        photo: Image.Image, guidance: Mapping[str, Any], reference: Image.Image | None = None
    ) -> Image.Image:
        return colorzoo.colorize(photo, card.name, {**alone, **guidance}, reference=reference)

    rows: dict[str, Row] = {"before": [photo.convert("L") for photo in photos.values()]}
    if card.trainable:
        rows["without help"] = [color(photo, {}) for photo in photos.values()]
    if "boxes" in card.guidance:
        rows["with a box"] = [color(photo, box_recipe(name)) for name, photo in photos.items()]
    elif "points" in card.guidance:
        rows["with ten points"] = [color(photo, point_recipe(name, photo)) for name, photo in photos.items()]
    others = [*list(photos.values())[1:], next(iter(photos.values()))]
    pairs = list(zip(photos.values(), others, strict=True))
    if "exemplar" in card.guidance:
        rows["like its mirror image"] = [color(photo, {}, ImageOps.mirror(photo)) for photo, _ in pairs]
    if by_another:
        rows["another photo"] = others
    if "exemplar" in card.guidance:
        rows["like that photo"] = [color(photo, {}, other) for photo, other in pairs]
    if "statistics" in card.guidance:
        amounts = [describe_statistics(read_image(other))["histogram"] for other in others]
        rows["with the histogram of that photo"] = [
            color(photo, {"statistics": {"histogram": shares}})
            for photo, shares in zip(photos.values(), amounts, strict=True)
        ]
        rows[f"with a saturation of {SATURATION}"] = [
            color(photo, {"statistics": {"saturation": SATURATION}}) for photo, _ in pairs
        ]
    return rows


def box_recipe(name: str) -> dict[str, Any]:
    """Return the box around the main object of a photo."""
    return {"boxes": [dict(zip(("x", "y", "width", "height"), BOXES[name], strict=True))]}


def point_recipe(name: str, photo: Image.Image) -> dict[str, Any]:
    """Return ten points of true colors, or points chosen by hand for the gray street."""
    points = street_points() if name == "detroit_1915" else true_points(photo)
    return {"points": point_list(points)}


def point_list(points: Points) -> list[dict[str, Any]]:
    """Return the points of a recipe."""
    return [{"x": x, "y": y, "radius": 4, "color": color} for x, y, color in points]


def street_points() -> Points:
    """Return the street's points within its central square of 256 pixels."""
    with Image.open(source("detroit_1915")) as image:
        width, height = image.size
    side = min(width, height)
    left, top, scale = (width - side) / 2, (height - side) / 2, 256 / side
    moved = [((x - left) * scale, (y - top) * scale, color) for x, y, color in STREET_POINTS]
    return [each for each in moved if 0 <= each[0] < 256 and 0 <= each[1] < 256]


def true_points(photo: Image.Image) -> Points:
    """Return random points of a photo with their true colors."""
    dice = random.Random(0)
    positions = [(dice.randrange(8, 248), dice.randrange(8, 248)) for _ in range(POINTS)]
    small = np.asarray(photo.resize((64, 64), Image.Resampling.BOX))
    return [(x, y, format_hex(small[y // 4, x // 4])) for x, y in positions]


def sketch_rows(card: ModelCard) -> dict[str, Row]:
    """Return sketches, results with ten points or like a mirrored reference, and the ground truth."""
    sketches, truths = zip(*(read_sketch(name) for name in SKETCHES), strict=True)
    lines, drawings = [as_picture(sketch) for sketch in sketches], [as_picture(truth) for truth in truths]
    pairs = list(zip(lines, drawings, strict=True))
    rows: dict[str, Row] = {"sketch": lines}
    if "points" in card.guidance:
        rows["with ten points"] = [
            colorzoo.colorize(line, card.name, {"points": point_list(true_points(drawing))})
            for line, drawing in pairs
        ]
    if "exemplar" in card.guidance:
        rows["reference"] = [ImageOps.mirror(drawing) for drawing in drawings]
        rows["like the reference"] = [
            colorzoo.colorize(line, card.name, reference=ImageOps.mirror(drawing)) for line, drawing in pairs
        ]
    return {**rows, "truth": drawings}


def read_sketch(name: str) -> tuple[Tensor, Tensor]:
    """Return the lines ``(1, 3, 256, 256)`` and the colors of a drawing, both in [0, 1]."""
    with Image.open(SOURCES / "sketches" / f"{name}.jpg") as image:
        pixels = np.array(image.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC))
    truth = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    return xdog(rgb_to_gray(truth)).expand(-1, 3, -1, -1), truth


def as_picture(rgb: Tensor) -> Image.Image:
    """Convert an image ``(1, 3, H, W)`` in [0, 1]."""
    return Image.fromarray(to_8bit(rgb)[0].byte().permute(1, 2, 0).numpy())


@torch.inference_mode()
def region_rows(name: str) -> dict[str, Row]:
    """Return sketches, their first regions, results with one and six region colors, and the ground truth."""
    model = create_coloring_model(name, offline=True).eval()
    rows: dict[str, list[Image.Image]] = {}
    for each in SKETCHES:
        lines, truth = read_sketch(each)
        sketch = lines[:, :1]
        regions: Regions = model.propose(sketch)  # type: ignore[operator]
        colors, _ = region_means(regions.index, truth, regions.rgb.shape[1])
        order = torch.unique(regions.index)[: len(REGION_TINTS)]
        tinted = torch.full_like(truth, 0.93)
        for number, tint in zip(order.tolist(), REGION_TINTS, strict=False):
            tinted = torch.where(regions.index == number, torch.tensor(tint).view(1, 3, 1, 1) / 255, tinted)
        views = {
            "sketch": lines,
            "the first six regions": tinted * (0.45 + 0.55 * sketch),
        }
        for caption, count in {"after one answer": 1, "after six answers": 6}.items():
            given = torch.zeros_like(regions.given)
            given[0, order[:count]] = 1
            answered = Guidance(regions=replace(regions, rgb=colors, given=given))
            views[caption] = model(sketch, answered).rgb
        for caption, view in {**views, "truth": truth}.items():
            rows.setdefault(caption, []).append(as_picture(view))
    return dict(rows)


def on_canvas(rows: Sequence[Row]) -> Image.Image:
    """Return rows of squares on white."""
    step = CELL + GAP
    canvas = Image.new("RGB", (step * len(rows[0]) - GAP, step * len(rows) - GAP), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            canvas.paste(square(image.convert("RGB"), CELL), (x * step, y * step))
    return canvas


def square(image: Image.Image, side: int) -> Image.Image:
    """Return the central square of an image."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
