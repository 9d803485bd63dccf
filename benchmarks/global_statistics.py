"""Gain in PSNR from the histogram or the saturation of the true image, tested as in Zhang et al. 2017.

Central 256 x 256 of every photo, PSNR over 8-bit RGB, mean over photos. Measured is the output of
the network at its working size.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, color_as_shipped, photos, where
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.evaluation.statistics import bootstrap_weights, estimate
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import GlobalStatistics, statistics_of
from colorzoo.metrics import psnr_8bit
from colorzoo.metrics.base import mean_of_moments
from colorzoo.model import ColoringModel

MODELS = ("colorzoo2026", "zhang2017_global_small")


def run(options: Options) -> list[Row]:
    """Return two rows for each model: its PSNR with a histogram and with a saturation, over neither."""
    rows = []
    images = list(photos(options.data, options.images))
    for name in options.models or MODELS:
        model = create_coloring_model(name, offline=True)
        if not model.trained:
            raise SkippedError("trained weights are needed")
        found = measure(model, images)
        alone = statistics.fmean(found["nothing"])
        for kind in ("histogram", "saturation"):
            score = statistics.fmean(found[kind])
            gains = np.subtract(found[kind], found["nothing"])
            moments = np.stack([gains, np.zeros_like(gains), np.ones_like(gains)], axis=1)
            gain = estimate(moments, mean_of_moments, bootstrap_weights(len(gains), 2000, seed=0))
            place = f"95 % {gain.low:.2f} to {gain.high:.2f}; {len(gains)} photos, {where()}"
            claim = f"PSNR in dB of {name} with the {kind}, over nothing given"
            rows.append(Row(claim, score, alone, score - alone, 0.3, "higher", place))
    return rows


def measure(model: ColoringModel, images: Sequence[Tensor]) -> Mapping[str, list[float]]:
    """Return the PSNR of each image by what is given."""
    scores: dict[str, list[float]] = {"nothing": [], "histogram": [], "saturation": []}
    for rgb in images:
        lab, true = rgb_to_lab(rgb[None]), statistics_of(rgb[None])
        given = {
            "nothing": None,
            "histogram": GlobalStatistics(histogram=true.histogram),
            "saturation": GlobalStatistics(saturation=true.saturation),
        }
        for kind, hint in given.items():
            ab = color_as_shipped(model, lab[:, :1], statistics=hint)
            colored = lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1))
            scores[kind].append(float(psnr_8bit(colored, rgb[None])))
    return scores
