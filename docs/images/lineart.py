"""Draw a sheet of line drawings: the lines, and the automatic colors of one or more weight files.

Usage: python docs/images/lineart.py FOLDER OUT.jpg [WEIGHTS ...]

WEIGHTS is a weight file, a checkpoint or ``default``. The drawings of a pair are the files ``*_line.*``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer

MODEL = "colorzoo2026_drawing"
LONGEST = 1024  # longer side at which the drawings are colorized
SIDE, ACROSS = 330, 4


def main() -> None:
    """Write the sheet: for each drawing, the lines and one image for each weight file."""
    folder, out, weights = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or ["default"]
    torch.set_num_threads(1)
    models = [create_coloring_model(MODEL, file, offline=True) for file in weights]
    colorizers = [Colorizer(model, device="cpu", precision="float32") for model in models]
    paths = sorted(path for path in folder.iterdir() if not path.stem.endswith("_color"))
    width = (1 + len(weights)) * SIDE
    rows = -(-len(paths) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * width, rows * SIDE), "gray")
    for number, path in enumerate(paths):
        image = Image.open(path).convert("L")
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        lines = np.asarray(image)
        found = [Image.fromarray(colorizer.colorize(lines).levels()) for colorizer in colorizers]
        for column, each in enumerate((image, *found)):
            each.thumbnail((SIDE - 4, SIDE - 4), Image.Resampling.LANCZOS)
            left, top = number % ACROSS * width + column * SIDE, number // ACROSS * SIDE
            sheet.paste(each, (left + (SIDE - each.width) // 2, top + (SIDE - each.height) // 2))
    sheet.save(out, quality=88)


if __name__ == "__main__":
    main()
