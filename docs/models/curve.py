"""Draw the training curve of colorzoo2026: ``python -m docs.models.curve``.

Reads ``docs/models/curve.csv`` and writes ``docs/models/curve.svg``; prints what more crops would bring.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks._common import DOCS
from scipy.stats import t

TABLE = DOCS / "models" / "curve.csv"
PICTURE = DOCS / "models" / "curve.svg"
PANELS = {"first": "photos of the first two runs", "added": "photos that the third run added"}
COLORS = {"trained on": "tab:orange", "unseen": "tab:blue"}
HOURS, CROPS_A_SECOND = 10, 42


@dataclass(frozen=True)
class Point:
    """Gain of a network on a set of photos.

    Attributes:
        photos: Key of `PANELS`.
        seen: Key of `COLORS`.
        crops: Crops that the network was trained on, the mean of the snapshots.
        rate: ``falling``: the learning rate had fallen to 0; ``constant``: not yet.
        snapshots: Number of neighboring snapshots of which this is the mean.
        gain: PSNR over gray in dB where the colorfulness is half of the true one.
        low: Lower end of the 95 % interval of the difference to the network that ships, by bootstrap over the
            photos, on top of that network's gain.
        high: Its upper end.
    """

    photos: str
    seen: str
    crops: int
    rate: str
    snapshots: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """Gain that more crops would bring, if it went on in a line over the logarithm of their number.

    Attributes:
        crops: Number of all crops then.
        gain: Expected gain in dB.
        low: Lower end of the 95 % interval of the line's slope.
        high: Its upper end.
    """

    crops: int
    gain: float
    low: float
    high: float


def read_points(path: Path = TABLE) -> list[Point]:
    """Return the rows of the table."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Point(
                row["photos"],
                row["seen"],
                int(row["crops"]),
                row["rate"],
                int(row["snapshots"]),
                *(float(row[name]) for name in ("gain", "low", "high")),
            )
            for row in csv.DictReader(file)
        ]


def outlook(points: Sequence[Point], more: int = HOURS * 3600 * CROPS_A_SECOND) -> Outlook:
    """Fit the mean gain on unseen photos at the constant rate of the run that ended in the shipped network.

    Args:
        points: All points.
        more: Crops after those of the shipped network.

    Returns:
        Gain over the shipped network.
    """
    begun, shipped = sorted({point.crops for point in points if point.rate == "falling"})[-2:]
    found: dict[int, list[float]] = {}
    for point in points:
        if point.seen == "unseen" and point.rate == "constant" and begun < point.crops < shipped:
            found.setdefault(point.crops, []).append(point.gain)
    crops = sorted(found)
    x = np.log2(crops)
    y = np.array([np.mean(found[each]) for each in crops])
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (len(x) - 2) / float(x @ x)) * float(t.ppf(0.975, len(x) - 2))
    doublings = math.log2(1 + more / shipped)
    low, high = ((slope + sign * error) * doublings for sign in (-1, 1))
    return Outlook(shipped + more, slope * doublings, low, high)


def draw(points: Sequence[Point], path: Path = PICTURE) -> None:
    """Draw a panel for the photos of each part of the training."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "colorzoo"  # the same file every time
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(PANELS), figsize=(9, 3.6), sharey=True)
    for axis, (photos, title) in zip(axes, PANELS.items(), strict=True):
        for seen, color in COLORS.items():
            own = sorted((p for p in points if (p.photos, p.seen) == (photos, seen)), key=lambda p: p.crops)
            for rate, fill in (("falling", color), ("constant", "white")):
                part = [point for point in own if point.rate == rate]
                spans = [[p.gain - p.low for p in part], [p.high - p.gain for p in part]]
                axis.errorbar(
                    [p.crops / 1e6 for p in part],
                    [p.gain for p in part],
                    yerr=spans,
                    fmt="o",
                    color=color,
                    markerfacecolor=fill,
                    elinewidth=0.8,
                    label=f"{seen}, {'rate fallen to 0' if rate == 'falling' else 'constant rate'}",
                )
            axis.plot([p.crops / 1e6 for p in own], [p.gain for p in own], color=color, linewidth=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("million crops")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("PSNR over gray in dB")
    axes[-1].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw the curve and print the outlook."""
    points = read_points()
    draw(points)
    then = outlook(points)
    print(
        f"{HOURS} more hours, {then.crops / 1e6:.2f} million crops: {then.gain:+.2f} dB "
        f"({then.low:+.2f} to {then.high:+.2f})"
    )


if __name__ == "__main__":
    main()
