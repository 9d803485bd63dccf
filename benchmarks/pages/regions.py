"""Make the picture of regions in the documentation with the embedded ``cho2023_small``.

A row for each illustration, none of which it was trained on: the sketch, the first six regions in the order
of the model, the colors chosen (the true means), the painting after 1, 3 and 6 answers, and the truth.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks._command import run_command
from benchmarks._photos import pictures_in
from benchmarks.pages import IMAGES
from colorzoo import Guidance, create_model
from colorzoo.color import rgb_to_gray, xdog
from colorzoo.guidance import Regions
from colorzoo.metrics.psnr import to_8bit
from colorzoo.tasks import ColorizationModule
from colorzoo.users.regions import region_means

SOURCES = IMAGES / "sources" / "sketches"
FIRST = ((230, 60, 60), (240, 150, 40), (235, 215, 60), (90, 180, 80), (70, 140, 220), (150, 90, 200))
ANSWERS = (1, 3, 6)
SIDE, GAP = 200, 6


def main() -> None:
    """Write ``docs/images/cho2023_regions.jpg``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--sources", type=Path, default=SOURCES, help="folder of illustrations")
    parser.add_argument("--out", type=Path, default=IMAGES / "cho2023_regions.jpg")
    args = parser.parse_args()
    model = create_model("cho2023_small", args.weights, offline=True).eval()
    rows = [views(model, read(path)) for path in pictures_in(args.sources)]
    width = len(rows[0]) * (SIDE + GAP) - GAP
    table = Image.new("RGB", (width, len(rows) * (SIDE + GAP) - GAP), "white")
    for number, row in enumerate(rows):
        for column, view in enumerate(row):
            levels = to_8bit(view)[0].byte().permute(1, 2, 0).numpy()
            small = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            table.paste(small, (column * (SIDE + GAP), number * (SIDE + GAP)))
    table.save(args.out, quality=90)


def read(path: Path) -> Tensor:
    """Return ``(1, 3, 256, 256)`` in [0, 1]."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def views(model: ColorizationModule, rgb: Tensor) -> list[Tensor]:
    """Return the pictures of one row."""
    sketch = xdog(rgb_to_gray(rgb))
    regions: Regions = model.propose(sketch)  # type: ignore[operator]
    colors, _ = region_means(regions.index, rgb, regions.rgb.shape[1])
    order = torch.unique(regions.index)[: len(FIRST)]
    shown, chosen = torch.full_like(rgb, 0.93), torch.full_like(rgb, 0.93)
    for number, tint in zip(order.tolist(), FIRST, strict=False):
        inside = regions.index == number
        shown = torch.where(inside, torch.tensor(tint).view(1, 3, 1, 1) / 255, shown)
        chosen = torch.where(inside, colors[0, number].view(1, 3, 1, 1), chosen)
    paintings = []
    for count in ANSWERS:
        given = torch.zeros_like(regions.given)
        given[0, order[:count]] = 1
        painted = model(sketch, Guidance(regions=replace(regions, rgb=colors, given=given))).rgb
        paintings.append(painted)
    lines = 0.45 + 0.55 * sketch
    return [sketch.expand(-1, 3, -1, -1), shown * lines, chosen, *paintings, rgb]


if __name__ == "__main__":
    run_command(main)
