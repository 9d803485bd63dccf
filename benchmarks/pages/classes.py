r"""Draw docs/images/classes.jpg: what classes do, on photos of the demo set.

In each row: photo, reference, classes, class-wise result, global result, a class re-assigned.
Run ``python -m benchmarks.pages.classes DEMO`` where DEMO holds the photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks._command import run_command
from benchmarks.pages import IMAGES
from colorzoo import create_model
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.inference.picture_io import read_picture
from colorzoo.inference.references import as_reference
from colorzoo.inference.segmenting import class_color

OUT = IMAGES / "classes.jpg"
ROWS = (("coffee.jpg", "chelsea_cat.jpg"), ("rocket.jpg", "astronaut.jpg"))
TITLES = ("photo", "reference", "classes", "class-wise", "global", "largest class re-assigned")
CELL = 176
TEXT = 18


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    parser.add_argument("--weights", default="default")
    args = parser.parse_args()
    model = create_model("chen2023_small", args.weights)
    rows = [draw_row(model, args.demo / photo, args.demo / look) for photo, look in ROWS]
    canvas = Image.new("RGB", (CELL * len(TITLES), TEXT + CELL * len(rows)), "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(TITLES):
        draw.text((column * CELL + 4, 2), title, fill="black", font=ImageFont.load_default(12))
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            canvas.paste(_square(cell), (column * CELL, TEXT + row * CELL))
    canvas.save(args.output, quality=88)


@torch.inference_mode()
def draw_row(model: Any, photo: Path, look: Path) -> list[Image.Image]:
    """Return the cells of one row."""
    shown, reference = (as_reference(read_picture(path), 256) for path in (photo, look))
    luma, exemplar = rgb_to_lab(shown)[:, :1], Exemplar(reference)
    ours, theirs = model.segment(luma), model.segment(rgb_to_lab(reference)[:, :1])
    maps = {
        "class-wise": ClassMap(ours, theirs),
        "global": ClassMap(torch.zeros_like(ours), torch.zeros_like(theirs)),
        "moved": ClassMap(reassigned(ours, theirs), theirs),
    }
    gray = lab_to_rgb_in_gamut(torch.cat([luma, torch.zeros_like(luma).repeat(1, 2, 1, 1)], dim=1))
    colored = [
        _image(
            lab_to_rgb_in_gamut(
                torch.cat([luma, model(luma, Guidance(exemplar=exemplar, classes=each)).ab], 1)
            )
        )
        for each in maps.values()
    ]
    return [_image(gray), _image(reference), _paint(ours), *colored]


def reassigned(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Give the largest class of the photo the number of the reference's largest other class."""
    here, there = (torch.bincount(part.flatten(), minlength=32) for part in (ours, theirs))
    old = int(here.argmax())
    there[old] = 0
    return torch.where(ours == old, int(there.argmax()), ours)


def _paint(labels: torch.Tensor) -> Image.Image:
    table = np.array([class_color(number) for number in range(32)], np.uint8)
    return Image.fromarray(table[labels[0, 0].numpy()])


def _image(rgb: torch.Tensor) -> Image.Image:
    return Image.fromarray((rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize(
        (CELL - 4, CELL - 4), Image.Resampling.LANCZOS
    )


if __name__ == "__main__":
    run_command(main)
