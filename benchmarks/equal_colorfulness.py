"""PSNR over gray of automatic colors at equal colorfulness.

Desaturated results have a smaller error, so models are compared at equal colorfulness: one factor multiplies
all predicted ab values, so that the mean colorfulness of the results is a given fraction of the mean
colorfulness of the ground truth. Whole images are colorized without guidance.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, color_as_shipped, evenly_spaced, where
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.factory import create_coloring_model
from colorzoo.metrics import colorfulness
from colorzoo.metrics.appearance import gray_gain
from colorzoo.model import ColoringModel
from colorzoo.weights.choice import choose_model

FACTORS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.7, 2.0, 2.4)
FRACTIONS = (0.6, 0.7, 0.8)  # colorfulness of the results divided by that of the ground truth


def run(options: Options) -> list[Row]:
    """Return a row for each fraction of the colorfulness."""
    name = choose_model(options.model, fast=True).name
    model = create_coloring_model(name, options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    images = [decode_rgb(source.read()) for source in evenly_spaced(options.data, options.images)]
    gains = gains_at(FRACTIONS, *measure(model, images))
    place = f"{name}, {len(images)} whole images, {where()}"
    return [
        Row(
            f"PSNR in dB over gray at {fraction:.0%} of the colorfulness",
            gain,
            0.0,
            gain,
            0.0,
            "higher",
            place,
        )
        for fraction, gain in zip(FRACTIONS, gains, strict=True)
    ]


def measure(model: ColoringModel, images: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
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
        gains.append(gray_gain(colored, rgb.expand_as(colored)))
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
