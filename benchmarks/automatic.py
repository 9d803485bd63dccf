"""What the default colors without hints are like: about as colorful as the truth, hardly worse than gray.

Central 256 x 256 of every photo; colorfulness after Hasler and Suesstrunk, means over photos; PSNR over 8-bit
RGB against predicting gray.
"""

from __future__ import annotations

import statistics

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, where
from benchmarks._photos import photos
from colorzoo import create_model
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.metrics import psnr_8bit
from colorzoo.metrics.colorful import colorfulness
from colorzoo.registry import default_model

LEAST_SHARE, MOST_SHARE = 0.8, 1.1
MOST_LOSS = -0.3


def run(options: Options) -> list[Row]:
    """Return colorfulness as a share of the truth's, from both sides, and PSNR over gray."""
    name = default_model()
    model = create_model(name, options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    ours, true, gains = [], [], []
    for rgb in photos(options.data):
        lab = rgb_to_lab(rgb[None])
        with torch.inference_mode():
            ab = model(lab[:, :1]).ab
        assert ab is not None
        colored = _join(lab[:, :1], ab)
        gray = _join(lab[:, :1], torch.zeros_like(ab))
        ours.append(float(colorfulness(colored)))
        true.append(float(colorfulness(rgb[None])))
        gains.append(float(psnr_8bit(colored, rgb[None]) - psnr_8bit(gray, rgb[None])))
    mean, truth, gain = (statistics.fmean(values) for values in (ours, true, gains))
    place = f"{name}, {len(ours)} photos, {where()}"
    claim = "colorfulness, reference: the true one's; share at "
    return [
        Row(f"{claim}least", mean, truth, mean / truth, LEAST_SHARE, "higher", place),
        Row(f"{claim}most", mean, truth, mean / truth, MOST_SHARE, "lower", place),
        Row("PSNR in dB over gray", gain, 0.0, gain, MOST_LOSS, "higher", place),
    ]


def _join(luma: Tensor, ab: Tensor) -> Tensor:
    return lab_to_rgb_in_gamut(torch.cat([luma, ab], dim=1)).clamp(0, 1)
