"""PSNR over gray of automatic colors at equal colorfulness.

Desaturated results have a smaller error, so models are compared at equal colorfulness: one factor multiplies
all predicted ab values, so that the mean colorfulness of the results is a given fraction of the mean
colorfulness of the ground truth. Whole images are colorized without guidance.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from benchmarks._common import Options, Row, color_as_shipped, evenly_spaced, trained_model, where
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.metrics import colorfulness
from colorzoo.metrics.appearance import gray_gain
from colorzoo.model import ColoringModel
from colorzoo.registry import DEFAULT_MODELS

FACTORS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.7, 2.0, 2.4)
FRACTIONS = (0.6, 0.7, 0.8)  # colorfulness of the results divided by that of the ground truth


def run(options: Options) -> list[Row]:
    """Return a row for each fraction of the colorfulness."""
    name = options.model or DEFAULT_MODELS["automatic"]
    sources = evenly_spaced(options.data, options.images)
    images = (decode_rgb(source.read()) for source in sources)
    gains = gains_at(FRACTIONS, *measure(trained_model(name, options), images))
    claims = [f"PSNR in dB over gray at {fraction:.0%} of the colorfulness" for fraction in FRACTIONS]
    place = f"{name}, {len(sources)} whole images, {where()}"
    return [
        Row(claim, gain, 0.0, gain, 0.0, "higher", place) for claim, gain in zip(claims, gains, strict=True)
    ]


def measure(model: ColoringModel, images: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Colorize images and multiply the colors by `FACTORS`.

    Args:
        model: A model of photos.
        images: Color images ``(3, H, W)``, uint8.

    Returns:
        PSNR over gray in dB ``(N, F)``, colorfulness of the results ``(N, F)`` and of the ground truth
        ``(N,)``.
    """
    gains, results, truths = [], [], []
    factors = torch.tensor(FACTORS).view(-1, 1, 1, 1)
    for image in images:
        rgb = image[None].float() / 255
        lightness = rgb_to_lab(rgb)[:, :1]
        lab = torch.cat(
            [lightness.expand(len(FACTORS), -1, -1, -1), factors * color_as_shipped(model, lightness)], dim=1
        )
        colored = lab_to_rgb_in_gamut(lab).clamp(0, 1)
        gains.append(gray_gain(colored, rgb))
        results.append(colorfulness(colored))
        truths.append(colorfulness(rgb)[0])
    return torch.stack(gains), torch.stack(results), torch.stack(truths)


def gains_at(fractions: tuple[float, ...], gains: Tensor, results: Tensor, truths: Tensor) -> list[float]:
    """Interpolate the mean gain at fractions of the mean colorfulness of the ground truth.

    Images with a gray ground truth are excluded; see `measure` for the arguments.
    """
    colored = gains.isfinite().all(dim=1)
    curve = results[colored].mean(dim=0) / truths[colored].mean()
    return [float(np.interp(fraction, curve, gains[colored].mean(dim=0))) for fraction in fractions]
