"""What color points are worth: PSNR of the embedded model over gray, tested as in Zhang et al. 2017.

Central 256 x 256 of every photo, uniform 6 x 6 points with their mean color, PSNR over 8-bit RGB, mean over
photos. The network's own answer is measured, without what the `Colorizer` adds to hold points.
"""

from __future__ import annotations

import statistics
from itertools import pairwise

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, where
from benchmarks._photos import photos
from colorzoo import Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import uniform_points
from colorzoo.metrics import psnr_8bit
from colorzoo.tasks import ColorizationModule

GOALS = {0: 1.0, 1: 1.0, 10: 4.2, 100: 7.0}


def run(options: Options) -> list[Row]:
    """Return one row for each number of points, and one that says whether more points always help."""
    model = create_model("zhang2017_local_small", options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    scores: dict[int | str, list[float]] = {}
    for index, rgb in enumerate(photos(options.data)):
        for name, value in _scores(model, rgb[None], index).items():
            scores.setdefault(name, []).append(value)
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    return _rows(means, f"{index + 1} photos, {where()}")


def _scores(model: ColorizationModule, rgb: Tensor, seed: int) -> dict[int | str, float]:
    lab = rgb_to_lab(rgb)
    luma, ab = lab[:, :1], lab[:, 1:]
    predictions: dict[int | str, Tensor] = {"gray": torch.zeros_like(ab)}
    with torch.inference_mode():
        for count in GOALS:
            points = uniform_points(ab, count, torch.Generator().manual_seed(seed))
            prediction = model(luma, Guidance(points=points)).ab
            assert prediction is not None
            predictions[count] = prediction
    joined = {name: lab_to_rgb(torch.cat([luma, each], dim=1)) for name, each in predictions.items()}
    return {name: float(psnr_8bit(colored, rgb)) for name, colored in joined.items()}


def _rows(means: dict[int | str, float], place: str) -> list[Row]:
    gray = means["gray"]
    rows = [
        Row(f"PSNR in dB with {n} points, over gray", means[n], gray, means[n] - gray, goal, "higher", place)
        for n, goal in GOALS.items()
    ]
    steps = [means[more] - means[fewer] for fewer, more in pairwise(GOALS)]
    least = min(steps)
    claim = "least gain in dB from one number of points to the next"
    return [*rows, Row(claim, least, 0.0, least, 0.0, "higher", place)]
