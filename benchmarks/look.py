"""How the automatic colors of a model look: nearness, liveliness, casts on gray things, right hues.

Central 256 x 256 of every photo, the model's own answer without hints, its ab multiplied by ``--strength``.
With ``--aged`` the model sees each photo as an old print of it, and its colors are laid over the photo as it
is, so that the numbers of both are of the same pictures.
"""

from __future__ import annotations

from itertools import islice

import torch
from torchmetrics import MetricCollection

from benchmarks._harness import Options, Row, SkippedError, where
from benchmarks._photos import photos
from colorzoo import create_model
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.aging import age_luma
from colorzoo.metrics import ColorfulnessShare, GrayGain, NeutralChroma, RightHue
from colorzoo.tasks import ColorizationModule
from colorzoo.tiers import default_model

LEAST_GAIN = 0.0
LEAST_SHARE, MOST_SHARE = 0.85, 1.1
MOST_NEUTRAL = 8.0
LEAST_HUE = 0.68


def run(options: Options) -> list[Row]:
    """Return PSNR over gray, colorfulness from both sides, chroma on neutral areas, and right hues."""
    name = options.model or default_model(fast=True)
    model = create_model(name, options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    measured, count = measure(model, options)
    shown = "aged photos" if options.aged else "photos"
    place = f"{name} at strength {options.strength:g}, {count} {shown}, {where()}"
    return _rows(measured, place)


def measure(model: ColorizationModule, options: Options) -> tuple[dict[str, float], int]:
    """Return the numbers by the name of their metric, and on how many photos they were taken."""
    asked = [GrayGain(), ColorfulnessShare(), NeutralChroma(), RightHue()]
    # no groups: two metrics that count nothing in the first photo would be taken for one
    scores = MetricCollection(asked, compute_groups=False)
    count = 0
    for index, rgb in enumerate(islice(photos(options.data), options.pictures)):
        target = rgb_to_lab(rgb[None])
        seen = target[:, :1]
        if options.aged:
            seen = age_luma(seen, torch.Generator().manual_seed(index))
        with torch.inference_mode():
            ab = model(seen).ab
        assert ab is not None
        colored = lab_to_rgb_in_gamut(torch.cat([target[:, :1], options.strength * ab], dim=1)).clamp(0, 1)
        scores.update(rgb=colored, target=rgb[None], ab=rgb_to_lab(colored)[:, 1:], target_ab=target[:, 1:])
        count += 1
    return {name: float(value) for name, value in scores.compute().items()}, count


def _rows(measured: dict[str, float], place: str) -> list[Row]:
    gain, share = measured["GrayGain"], measured["ColorfulnessShare"]
    neutral, hue = measured["NeutralChroma"], measured["RightHue"]
    return [
        Row("PSNR in dB over gray", gain, 0.0, gain, LEAST_GAIN, "higher", place),
        Row(
            "colorfulness as a share of the truth's, at least",
            share,
            1.0,
            share,
            LEAST_SHARE,
            "higher",
            place,
        ),
        Row("colorfulness as a share of the truth's, at most", share, 1.0, share, MOST_SHARE, "lower", place),
        Row("chroma where the truth is neutral", neutral, 0.0, neutral, MOST_NEUTRAL, "lower", place),
        Row("share of right hues", hue, 1.0, hue, LEAST_HUE, "higher", place),
    ]
