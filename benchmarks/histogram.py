"""What the statistics of the whole picture are worth: PSNR with the true ones over PSNR with none.

Central 256 x 256 of every photo, PSNR over 8-bit RGB, mean over photos. In Zhang et al. 2017, table 1,
the full network gains 3.4 dB by the histogram and 1.4 dB by the saturation.
"""

from __future__ import annotations

import statistics

import torch

from benchmarks._harness import Options, Row, SkippedError, where
from benchmarks._photos import photos
from colorzoo import Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import GlobalStatistics, statistics_of
from colorzoo.metrics import psnr_8bit

GOALS = {"histogram": 1.0, "saturation": 0.0, "both": 1.0}


def run(options: Options) -> list[Row]:
    """Return one row for each kind of statistics."""
    model = create_model("zhang2017_global_small", options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    scores: dict[str, list[float]] = {}
    for rgb in photos(options.data):
        lab = rgb_to_lab(rgb[None])
        true = statistics_of(rgb[None])
        given = {
            "none": None,
            "histogram": GlobalStatistics(histogram=true.histogram),
            "saturation": GlobalStatistics(saturation=true.saturation),
            "both": true,
        }
        for name, each in given.items():
            with torch.inference_mode():
                ab = model(lab[:, :1], Guidance(statistics=each)).ab
            colored = lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1)).clamp(0, 1)
            scores.setdefault(name, []).append(float(psnr_8bit(colored, rgb[None])))
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    place = f"{len(scores['none'])} photos, {where()}"
    return [
        Row(
            f"PSNR in dB with the true {name}, over none",
            means[name],
            means["none"],
            means[name] - means["none"],
            goal,
            "higher",
            place,
        )
        for name, goal in GOALS.items()
    ]
