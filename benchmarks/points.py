"""Gain in PSNR over gray by number of color points, tested as in Zhang et al. 2017.

Central 256 x 256 of every photo, uniform 6 x 6 points of mean color, PSNR over 8-bit RGB, mean over photos.
The output of the network is measured at its working size, before the `Colorizer` makes it exact at the
points.
"""

from __future__ import annotations

import statistics
from itertools import pairwise

import torch

from benchmarks._common import Options, Row, color_as_shipped, photos, trained_model, where
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.metrics import psnr_8bit
from colorzoo.simulation.points import uniform_points

GOALS = {0: 1.0, 1: 1.0, 10: 4.2, 100: 7.0}


def run(options: Options) -> list[Row]:
    """Return a row for each number of points, and the smallest gain between consecutive numbers."""
    model = trained_model(options.model or "colorzoo2026", options)
    scores: dict[int | str, list[float]] = {"gray": [], **{count: [] for count in GOALS}}
    for index, rgb in enumerate(photos(options.data, options.images)):
        lab = rgb_to_lab(rgb[None])
        lightness, true = lab[:, :1], lab[:, 1:]
        for name in scores:
            ab = torch.zeros_like(true)
            if isinstance(name, int):
                points = uniform_points(true, name, torch.Generator().manual_seed(index))
                ab = color_as_shipped(model, lightness, points if name else None)
            colored = lab_to_rgb(torch.cat([lightness, ab], dim=1))
            scores[name].append(float(psnr_8bit(colored, rgb[None])))
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    gray, place = means["gray"], f"{len(scores['gray'])} photos, {where()}"
    rows = [
        Row(f"PSNR in dB with {n} points, over gray", means[n], gray, means[n] - gray, goal, "higher", place)
        for n, goal in GOALS.items()
    ]
    least = min(means[more] - means[fewer] for fewer, more in pairwise(GOALS))
    claim = "smallest gain in dB from one number of points to the next"
    return [*rows, Row(claim, least, 0.0, least, 0.0, "higher", place)]
