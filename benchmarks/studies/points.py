"""PSNR against the number of points: our model, edit propagation, nearest-hint painting, the paper's curve.

The protocol is that of Zhang et al. 2017, figure 4: 6 x 6 points with their mean color at uniform places,
central 256 x 256, PSNR over 8-bit RGB. The paper's network was tested on other photos (1,000 of ImageNet), so
the curves are compared as gain over predicting gray. ``python docs/measure_points.py --data photos/val``
writes ``docs/points.csv``, ``docs/points.md`` and ``docs/images/points.svg``.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._nearest import nearest_hint
from benchmarks._photos import photos
from benchmarks.pages import DOCS
from colorzoo import Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points, uniform_points
from colorzoo.inference.honor import honor_points
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks import ColorizationModule

# Number of points -> mean PSNR of the paper's network over 1,000 photos: psnrs_siggraph.npy of its authors.
PAPER = {
    0: 24.43,
    1: 25.37,
    2: 26.20,
    3: 26.69,
    4: 27.08,
    5: 27.39,
    6: 27.65,
    8: 28.10,
    10: 28.42,
    13: 28.79,
    16: 29.04,
    20: 29.34,
    25: 29.60,
    32: 29.91,
    40: 30.17,
    50: 30.42,
    63: 30.68,
    79: 30.90,
    100: 31.13,
    126: 31.34,
    158: 31.52,
    200: 31.70,
    251: 31.85,
    316: 31.97,
    398: 32.07,
    501: 32.14,
}
PAPER_GRAY = 22.82  # table 1
OURS, ALONE = "zhang2017_local_small", "its network alone"
LEVIN, NEAREST = "levin2004", "nearest hint"
METHODS = (OURS, ALONE, LEVIN, NEAREST)


def main() -> None:
    """Measure and write table, data and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=8, help="measure on every n-th photo")
    parser.add_argument("--out", type=Path, default=DOCS)
    args = parser.parse_args()
    network, levin = create_model(OURS), create_model(LEVIN)
    gains: dict[tuple[str, int], list[float]] = {}
    chosen = list(islice(photos(args.data), 0, None, args.every))
    for seed, rgb in enumerate(chosen):
        for key, gain in _gains(network, levin, rgb[None], seed).items():
            gains.setdefault(key, []).append(gain)
    write(gains, len(chosen), args.out)


def color(
    network: ColorizationModule, levin: ColorizationModule, luma: Tensor, points: Points
) -> dict[str, Tensor]:
    """Return ``(1, 2, H, W)`` of every method."""
    guidance = Guidance(points=points)
    with torch.inference_mode():
        ab, spread = network(luma, guidance).ab, levin(luma, guidance).ab
    assert ab is not None
    assert spread is not None
    return {
        OURS: honor_points(ab, luma, points),
        ALONE: ab,
        LEVIN: spread,
        NEAREST: nearest_hint(points),
    }


def write(gains: dict[tuple[str, int], list[float]], photos_used: int, out: Path) -> None:
    """Write ``points.csv``, ``points.md`` and the plot."""
    rows = []
    for count in PAPER:
        row: dict[str, float] = {"points": count}
        for method in METHODS:
            values = gains[method, count]
            row[method] = statistics.fmean(values)
            row[f"{method} s.e."] = statistics.stdev(values) / math.sqrt(len(values))
        rows.append({**row, "paper": PAPER[count] - PAPER_GRAY})
    with (out / "points.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: round(value, 3) for key, value in row.items()} for row in rows)
    (out / "points.md").write_text(_page(rows, photos_used))
    _plot(rows, out / "images" / "points.svg")


def _gains(
    network: ColorizationModule, levin: ColorizationModule, rgb: Tensor, seed: int
) -> dict[tuple[str, int], float]:
    lab = rgb_to_lab(rgb)
    luma, ab = lab[:, :1], lab[:, 1:]
    gray = _psnr(luma, torch.zeros_like(ab), rgb)
    found = {}
    for count in PAPER:
        points = uniform_points(ab, count, torch.Generator().manual_seed(seed))
        for method, colored in color(network, levin, luma, points).items():
            found[method, count] = _psnr(luma, colored, rgb) - gray
    return found


def _psnr(luma: Tensor, ab: Tensor, rgb: Tensor) -> float:
    return float(psnr_8bit(lab_to_rgb(torch.cat([luma, ab], dim=1)).clamp(0, 1), rgb))


def _page(rows: list[dict[str, float]], photos_used: int) -> str:
    columns = ("points", *METHODS, "paper")
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    body = "".join(
        f"| {row['points']:.0f} | " + " | ".join(f"{row[name]:+.2f}" for name in columns[1:]) + " |\n"
        for row in rows
    )
    return f"""<!-- Written by docs/measure_points.py; do not edit. -->

# What color points are worth

Gain in PSNR (dB) over predicting gray, against the number of 6 x 6 points at uniform places; mean over
{photos_used} of the validation photos, central 256 x 256, PSNR over 8-bit RGB (Zhang et al. 2017, figure 4).
`{OURS}` is what users get: the network, and what it missed at the points spread around them
(`inference/honor.py`). The last column is the paper's network on 1,000 photos of ImageNet over gray there:
other photos, so only the course of the curves can be compared. Data with standard errors:
[points.csv](points.csv).

![PSNR against the number of points](images/points.svg)

{head}{body}"""


def _plot(rows: list[dict[str, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "colorzoo"  # the same file every time
    figure, axes = plt.subplots(figsize=(7, 4.2))
    places = [row["points"] + 1 for row in rows]
    for name in (*METHODS, "paper"):
        gains = [row[name] for row in rows]
        style = {"linestyle": "--", "color": "gray"} if name == "paper" else {"marker": ".", "markersize": 4}
        axes.plot(places, gains, label=f"{name} (other photos)" if name == "paper" else name, **style)
        if name in METHODS:
            error = [1.96 * row[f"{name} s.e."] for row in rows]
            low, high = ([g + sign * e for g, e in zip(gains, error, strict=True)] for sign in (-1, 1))
            axes.fill_between(places, low, high, alpha=0.12)
    axes.set_xscale("log")
    ticks = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
    axes.set_xticks([tick + 1 for tick in ticks], [str(tick) for tick in ticks])
    axes.set(xlabel="points", ylabel="PSNR over gray, dB")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
