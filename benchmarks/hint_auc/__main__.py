"""Colorize drawn lines with the hints of Hint-AUC: ``python -m benchmarks.hint_auc MODEL HINTS OUT``.

HINTS is the output folder of ``benchmarks/hint_auc/hints.py``. OUT receives one folder of images for each
hint ratio, which ``hintauc curve OUT HINTS/true --metrics mse psnr ssim`` scores in its own environment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance, Points
from colorzoo.inference.colorizer import Colorizer

GRID = 64  # side of the map of the dots
INK = 128  # levels of ink


def dots_on_ink(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return a mask ``(H, W)`` of the cells of the 64 x 64 grid of the dots that contain ink.

    The regions of Hint-AUC come from the color image, so its lines are regions, too. A colorist fills only
    the areas between the lines.
    """
    height, width = lines.shape
    rows, columns = (np.arange(side) * GRID // side for side in (height, width))
    cell = rows[:, None] * GRID + columns
    darkest = np.full(GRID * GRID, 255, np.uint8)
    np.minimum.at(darkest, cell, lines)
    return darkest[cell] < INK


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the images of all hint ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hint_auc", description=__doc__)
    parser.add_argument("model", help="name of a drawing model that accepts points")
    parser.add_argument("hints", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", default="default", help="weight file or checkpoint")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = create_coloring_model(args.model, args.weights, offline=True)
    colorizer = Colorizer(model, device="cpu", precision="float32")
    for path in sorted((args.hints / "hints").glob("*.npz")):
        stored = np.load(path)
        for ratio, colors, mask in zip(stored["ratios"], stored["colors"], stored["masks"], strict=True):
            lab = rgb_to_lab(torch.from_numpy(colors.copy()).permute(2, 0, 1)[None] / 255)
            is_hinted = torch.from_numpy((mask > 0) & ~dots_on_ink(stored["lines"]))[None, None].float()
            exact = torch.zeros_like(is_hinted)
            points = Points(lab[:, 1:] * is_hinted, is_hinted, lab[:, :1] * is_hinted, exact=exact)
            guidance = Guidance(points=points) if is_hinted.any() else None
            folder = args.out / f"{ratio:.2f}"
            folder.mkdir(parents=True, exist_ok=True)
            levels = colorizer.colorize(stored["lines"], guidance).levels()
            Image.fromarray(levels).save(folder / f"{path.stem}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
