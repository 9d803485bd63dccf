"""Quality of automatic colors: PSNR over gray, colorfulness, chroma of neutral areas, hues.

The central 256 x 256 of every photo is colorized without guidance at the model's working size; ab is
multiplied by ``--strength``. With ``--aged`` the model receives a simulated old print of each photo, and its
colors are combined with the original lightness, so both settings are measured on the same images.
"""

from __future__ import annotations

from typing import Literal

import torch
from torchmetrics import MetricCollection

from benchmarks._common import Options, Row, color_as_shipped, photos, trained_model, where
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.degrade import degrade_lightness
from colorzoo.metrics import ColorfulnessRatio, GrayGain, NeutralChroma, RightHue
from colorzoo.model import ColoringModel
from colorzoo.registry import DEFAULT_MODELS

ROWS: tuple[tuple[str, str, float, float, Literal["higher", "lower"]], ...] = (
    ("GrayGain", "PSNR in dB over gray", 0.0, 0.0, "higher"),
    ("ColorfulnessRatio", "colorfulness as a fraction of the truth's, at least", 1.0, 0.85, "higher"),
    ("ColorfulnessRatio", "colorfulness as a fraction of the truth's, at most", 1.0, 1.1, "lower"),
    ("NeutralChroma", "chroma where the truth is neutral", 0.0, 8.0, "lower"),
    ("RightHue", "fraction of right hues", 1.0, 0.68, "higher"),
)  # metric, claim, reference, goal, better


def run(options: Options) -> list[Row]:
    """Measure one model."""
    name = options.model or DEFAULT_MODELS["automatic"]
    measured, count = measure(trained_model(name, options), options)
    kind = "aged photos" if options.aged else "photos"
    place = f"{name} at strength {options.strength:g}, {count} {kind}, {where()}"
    return [
        Row(claim, measured[metric], reference, measured[metric], goal, better, place)
        for metric, claim, reference, goal, better in ROWS
    ]


def measure(model: ColoringModel, options: Options) -> tuple[dict[str, float], int]:
    """Return the metrics by name, and the number of photos."""
    metrics = [GrayGain(), ColorfulnessRatio(), NeutralChroma(), RightHue()]
    # compute groups would merge two metrics whose states are still empty after the first photo
    scores = MetricCollection(metrics, compute_groups=False)
    count = 0
    for index, rgb in enumerate(photos(options.data, options.images)):
        target = rgb_to_lab(rgb[None])
        lightness = target[:, :1]
        seen = lightness
        if options.aged:
            seen = degrade_lightness(lightness, torch.Generator().manual_seed(index))
        ab = color_as_shipped(model, seen)
        colored = lab_to_rgb_in_gamut(torch.cat([lightness, options.strength * ab], dim=1)).clamp(0, 1)
        scores.update(rgb=colored, target=rgb[None], ab=rgb_to_lab(colored)[:, 1:], target_ab=target[:, 1:])
        count += 1
    return {name: float(value) for name, value in scores.compute().items()}, count
