"""Do the regions of cho2023_small lie in one part of the picture each? Beside SLIC of equal count.

``python -m benchmarks.studies.parts --data DATA`` takes the sketch (XDoG) of each picture, lets the model
divide it, and prints by how much of its pixels a region lies in its largest true segment: the mean over
regions, and over pixels. True segments are the panoptic masks of COCO; of illustrations they are places that
hang together and are nearest to the same of eight colors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from skimage.segmentation import slic
from torch import Tensor

from benchmarks._command import run_command
from benchmarks._harness import single_thread
from benchmarks._photos import pictures_in
from benchmarks.claims._numbers import estimate
from colorzoo import create_model
from colorzoo.color import rgb_to_gray, rgb_to_lab, xdog
from colorzoo.data.decode import decode_rgb

SIDES = {"illustrations": 128, "photos": 256}
COLORS = 8
INK = 0.5
COMPACTNESS = 0.1  # of lightness in [0, 1]
SUPERPIXELS = {"SLIC": 0.0, "SLIC of the blurred sketch": 1.0}  # with the blur before it in pixels


def main() -> None:
    """Print a row for each set and each way to divide."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    single_thread()
    model = create_model("cho2023_small", offline=True)
    print("| pictures | regions of | by region | by pixel | regions a picture |")
    print("| --- | --- | --- | --- | --- |")
    sets = {"illustrations": illustrations(args.data), "photos": photos(args.data)}
    for name, pictures in sets.items():
        found: dict[str, list[tuple[float, float, int]]] = {
            "`cho2023_small`": [],
            **{w: [] for w in SUPERPIXELS},
        }
        for rgb, true in pictures:
            sketch = xdog(rgb_to_gray(rgb))
            with torch.inference_mode():
                ours = model.propose(sketch).index[0, 0].numpy()  # type: ignore[operator]
            paper = sketch[0, 0].numpy() > INK  # nobody is asked for the color of ink
            count = len(np.unique(ours[paper]))
            cells = [superpixels(sketch[0, 0].numpy(), paper, count, blur) for blur in SUPERPIXELS.values()]
            for way, regions in zip(found, (ours, *cells), strict=True):
                found[way].append((*purity(regions[paper], true[paper]), len(np.unique(regions[paper]))))
        for way, rows in found.items():
            print(f"| {len(rows)} {name} | {way} | " + " | ".join(_shown(rows, part) for part in (0, 1))
                  + f" | {np.mean([row[2] for row in rows]):.1f} |", flush=True)  # fmt: skip


def superpixels(sketch: np.ndarray, paper: np.ndarray, count: int, blur: float) -> np.ndarray:
    """Return the SLIC superpixels ``(H, W)`` of a sketch of which about ``count`` lie on paper."""
    asked, best, off = count, sketch.astype(np.int64), float("inf")
    for _ in range(6):  # fewer come out than were asked for
        cells = slic(sketch, n_segments=asked, compactness=COMPACTNESS, sigma=blur, channel_axis=None)
        found = len(np.unique(cells[paper]))
        if abs(found - count) < off:
            best, off = cells, abs(found - count)
        asked = max(1, round(asked * count / found))
    return best


def purity(regions: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return the share of a region's pixels in its largest true segment, mean over regions and over pixels.

    Args:
        regions: ``(N,)`` number of each pixel's region.
        true: ``(N,)`` number of its true segment.
    """
    _, rows = np.unique(regions, return_inverse=True)
    _, columns = np.unique(true, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return float((table.max(1) / table.sum(1)).mean()), float(table.max(1).sum() / table.sum())


def illustrations(data: Path) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield held-out illustrations ``(1, 3, H, W)`` and their parts of one color ``(H, W)``."""
    for path in pictures_in(data / "sketch" / "val"):
        rgb = _read(path, SIDES["illustrations"])
        yield rgb, _parts_of_one_color(rgb)


def photos(data: Path) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield photos of COCO ``(1, 3, H, W)`` and their panoptic segments ``(H, W)``."""
    folder = data / "coco_sample"
    for path in pictures_in(folder / "panoptic", "*.png"):
        rgb = _read(folder / "images" / f"{path.stem}.jpg", SIDES["photos"])
        height, width = rgb.shape[-2:]
        with Image.open(path) as image:
            mask = np.asarray(
                image.convert("RGB").resize((width, height), Image.Resampling.NEAREST), np.int64
            )
        yield rgb, mask @ np.array([1, 256, 65536])


def _read(path: Path, side: int) -> Tensor:
    return torch.as_tensor(decode_rgb(path.read_bytes(), side))[None].float() / 255


def _parts_of_one_color(rgb: Tensor) -> np.ndarray:
    lab = rgb_to_lab(rgb)[0].permute(1, 2, 0)
    _, nearest = kmeans2(lab.flatten(0, 1).numpy(), COLORS, minit="++", rng=0)
    nearest = ndimage.median_filter(nearest.reshape(lab.shape[:2]), 3)  # specks of JPEG
    parts = np.zeros_like(nearest, dtype=np.int64)
    for color in range(COLORS):
        labels, _ = ndimage.label(nearest == color)
        parts = np.where(labels > 0, labels + parts.max(), parts)
    return parts


def _shown(rows: list[tuple[float, float, int]], part: int) -> str:
    found = estimate(np.array([row[part] for row in rows]))
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


if __name__ == "__main__":
    run_command(main)
