"""Measure how wrong cho2023_small paints each segment when nobody tells: ``needs`` of its card.

``python -m benchmarks.studies.needs --data sketch/train --weights FILE`` prints 31 mean squared errors, of
the 30 segments and of ink, on training pictures of 128 x 128; one that is nowhere gets the mean of the
others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks._command import run_command
from benchmarks._photos import pictures_in
from colorzoo import Guidance, create_model
from colorzoo.color import rgb_to_gray, xdog

SIDE, SEGMENTS = 128, 30


def main() -> None:
    """Print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--every", type=int, default=10, help="take every n-th picture")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = create_model("cho2023_small", args.weights, offline=True).eval()
    errors, pixels = torch.zeros(SEGMENTS + 1), torch.zeros(SEGMENTS + 1)
    for path in pictures_in(args.data)[:: args.every]:
        with Image.open(path) as image:
            levels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        rgb = torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / 255
        sketch = xdog(rgb_to_gray(rgb))
        with torch.inference_mode():
            regions = model.propose(sketch)  # type: ignore[operator]
            wrong = (model(sketch, Guidance(regions=regions)).rgb - rgb).square().mean(1).flatten()
        where = torch.where(sketch < 0.5, SEGMENTS, regions.segments).flatten()
        errors.index_add_(0, where, wrong)
        pixels.index_add_(0, where, torch.ones_like(wrong))
    means = torch.where(pixels > 0, errors / pixels.clamp(min=1), errors.sum() / pixels.sum())
    print([round(value, 4) for value in means.tolist()])
    print({number: int(count) for number, count in enumerate(pixels.tolist()) if count})


if __name__ == "__main__":
    run_command(main)
