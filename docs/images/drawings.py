"""Draw the gallery of drawings: lines, automatic colors, three and ten colors, truth.

Usage: python docs/images/drawings.py DRAWINGS_VAL
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is not an installed package
from benchmarks.drawings import SIDE, batch_of, hex_of, proposed_order, psnr, read_pairs, region_truths

from colorzoo.guidance import PointHint, Recipe
from colorzoo.inference.colorizer import Colorizer

FOLDER = Path(__file__).parent
SHOWN, WORST = 8, 4
COLUMNS = (0, 3, 10)


def rows(colorizer: Colorizer, folder: Path) -> list[tuple[float, str, np.ndarray]]:
    """Return PSNR of the automatic result, name and row of images of each pair."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["lines"] == "1"]
    found = []
    for name, (truth, lines) in zip(names, read_pairs(folder), strict=True):
        automatic = colorizer.colorize(lines)
        means, places = region_truths(automatic.flats, truth)
        order = proposed_order(colorizer, automatic)
        images = [np.repeat(lines[..., None], 3, 2) / 255]
        for count in COLUMNS:
            hints = tuple(PointHint(*places[i], color=hex_of(means[i])) for i in order[:count])
            images.append(colorizer.colorize(lines, Recipe(points=hints)).rgb)
        found.append(
            (
                float(psnr(batch_of(images[1]), batch_of(truth))),
                name,
                np.concatenate([_square(x) for x in (*images, truth)], 1),
            )
        )
    return found


def _square(image: np.ndarray) -> np.ndarray:
    whole = np.ones((SIDE, SIDE, 3), np.float32)
    top, left = (SIDE - image.shape[0]) // 2, (SIDE - image.shape[1]) // 2
    whole[top : top + image.shape[0], left : left + image.shape[1]] = image
    return np.pad(whole, ((4, 4), (4, 4), (0, 0)), constant_values=1)


def main() -> None:
    """Write drawings.jpg with evenly spaced ranks and drawings_worst.jpg with the lowest PSNR."""
    found = sorted(
        rows(Colorizer("colorzoo2026_drawing", device="cpu"), Path(sys.argv[1])), key=lambda x: -x[0]
    )
    even = [found[round(i)] for i in np.linspace(0, len(found) - WORST - 1, SHOWN)]
    for file, chosen in (("drawings.jpg", even), ("drawings_worst.jpg", found[-WORST:])):
        sheet = np.concatenate([row for _, _, row in chosen], 0)
        Image.fromarray((sheet * 255).round().clip(0, 255).astype(np.uint8)).save(FOLDER / file, quality=80)
        print(file, [(round(value, 1), name) for value, name, _ in chosen])


if __name__ == "__main__":
    main()
