"""What each part of cho2023_small's asking is worth: f's division, the order by need, lines and area alone.

``python docs/measure_division.py --data sketch/val`` prints PSNR after 1, 3, 5, 10 and 30 answers on every
second picture at 128 x 128, and the shipped way minus each other one with its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo import Guidance, create_model
from colorzoo.color import rgb_to_gray, xdog
from colorzoo.guidance import Regions
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks import ColorizationModule
from colorzoo.users.regions import region_means
from colorzoo.zoo.cho2023.pieces import cut_segments

SIDE, REGIONS, COUNTS, DRAWS = 128, 30, (1, 3, 5, 10, 30), 2000
ALIKE = [1.0] * (REGIONS + 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = create_model("cho2023_small", offline=True).eval()
    scores: dict[str, list[list[float]]] = {}
    for path in sorted(args.data.glob("*.jpg"))[::2]:
        with Image.open(path) as image:
            levels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        rgb = torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / 255
        for name, found in play(model, rgb).items():
            scores.setdefault(name, []).append(found)
    tables = {name: np.array(found) for name, found in scores.items()}
    rng = np.random.default_rng(0)
    for name, found in tables.items():
        steps = tables["shipped"] - found
        means = steps[rng.integers(0, len(steps), (DRAWS, len(steps)))].mean(1)
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        spans = zip(found.mean(0), steps.mean(0), low, high, strict=True)
        print(
            f"| {name} | "
            + " | ".join("{:.2f} ({:+.2f}, {:+.2f} .. {:+.2f})".format(*s) for s in spans)
            + " |"
        )


@torch.inference_mode()
def play(model: ColorizationModule, rgb: Tensor) -> dict[str, list[float]]:
    """Return the PSNR after the numbers of answers, by way of asking."""
    sketch = xdog(rgb_to_gray(rgb))
    regions: Regions = model.propose(sketch)  # type: ignore[operator]
    assert regions.segments is not None
    ways = {
        "shipped": regions.index,
        "f, by area": cut_segments(regions.segments, sketch, REGIONS, ALIKE),
        "lines alone, by area": cut_segments(torch.zeros_like(regions.segments), sketch, REGIONS, ALIKE),
    }
    found = {}
    for name, index in ways.items():
        colors, _ = region_means(index, rgb, REGIONS)
        asked = replace(regions, index=index, rgb=colors)
        found[name] = [score(model, sketch, rgb, asked, count) for count in COUNTS]
    return found


def score(model: ColorizationModule, sketch: Tensor, rgb: Tensor, regions: Regions, count: int) -> float:
    """Return the PSNR when the first regions are colored."""
    given = torch.zeros_like(regions.given)
    given[:, :count] = 1
    return float(psnr_8bit(model(sketch, Guidance(regions=replace(regions, given=given))).rgb, rgb))


if __name__ == "__main__":
    main()
