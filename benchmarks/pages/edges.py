"""Write docs/images/edges.jpg: before, scribble and after of the embedded edge-aware add-on on demo photos.

The strokes are those of the simulated user, who knows the true colors and draws over what bled. Run
``python -m benchmarks.pages.edges --data DEMO`` with the folder of demo photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks._command import run_command
from benchmarks.pages import IMAGES
from colorzoo import create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.guidance import Guidance, Scribbles, uniform_points
from colorzoo.users import bled_runs
from colorzoo.users.scribbles import draw_runs

PHOTOS = ("coffee.jpg", "astronaut.jpg", "chelsea_cat.jpg")
SIDE, STROKES, WIDTH, HINTS = 256, 6, 5, 40
INK = torch.tensor([0.9, 0.0, 0.8]).view(1, 3, 1, 1)


def main() -> None:
    """Color, draw, color again, and write the table of pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of demo photos")
    parser.add_argument("--model", default="kim2021_small")
    parser.add_argument("--out", type=Path, default=IMAGES / "edges.jpg")
    args = parser.parse_args()
    model = create_model(args.model)
    rows = [strip(model, args.data / name) for name in PHOTOS]
    table = torch.cat(rows, dim=2)[0].clamp(0, 1).mul(255).byte().permute(1, 2, 0)
    Image.fromarray(table.numpy()).save(args.out, quality=90)


@torch.inference_mode()
def strip(model: torch.nn.Module, path: Path) -> Tensor:
    """Return truth, before, scribble and after side by side: ``(1, 3, SIDE, 4 * SIDE)``."""
    rgb = decode_rgb(path.read_bytes())[None].float() / 255
    size = (SIDE, SIDE)
    rgb = torch.nn.functional.interpolate(rgb, size, mode="bicubic", antialias=True).clamp(0, 1)
    lab = rgb_to_lab(rgb)
    luma, ab = lab[:, :1], lab[:, 1:]
    points = uniform_points(ab, HINTS, torch.Generator().manual_seed(0))
    first = model(luma, Guidance(points=points)).ab
    mask = draw_runs(bled_runs(first, ab)[:STROKES], WIDTH, luma)
    after = model(luma, Guidance(points=points, scribbles=Scribbles(mask))).ab
    before = lab_to_rgb(torch.cat([luma, first], dim=1))
    drawn = before * (1 - mask) + INK * mask
    return torch.cat([rgb, before, drawn, lab_to_rgb(torch.cat([luma, after], dim=1))], dim=3)


if __name__ == "__main__":
    run_command(main)
