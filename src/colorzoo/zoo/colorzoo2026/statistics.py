"""Conditioning on color statistics, which requires no training.

To match a target histogram, the color distributions of all cells are multiplied by common weights, one per
bin. Iterative proportional fitting (Deming and Stephan 1940) computes the weights. The resulting
distributions are the closest to the prediction in relative entropy. Zhang et al. 2017 instead use the
histogram as a network input.

To match a target saturation, all colors are multiplied by one factor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.guidance import GlobalStatistics
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.zoo.colorzoo2026.network import AB_SCALE

_EXPONENT = 2.0  # exponent of the distributions; with 1, 1.5 or 3, PSNR is 0.4, 0.1 or 0.03 dB lower
_ROUNDS = 10  # number of fitting iterations; with 3, PSNR is 0.2 dB lower; with 20, 0.01 dB higher
_HISTOGRAM_OFFSET = 1e-4  # added to histograms, which limits the weight of rare colors
_MAX_WEIGHT = 1e6  # maximum weight of a bin; the minimum is its inverse
# Fraction of the target saturation that is applied, without and with a histogram. It is below 1, because the
# error of a wrong hue grows with chroma.
_FRACTION, _FRACTION_WITH_HISTOGRAM = 0.85, 0.95
_MAX_FACTOR = 2.5  # maximum factor on the automatic colors
_STEPS = 3  # iterations of the factor search
_EPSILON = 1e-30
_MIN_SATURATION = 1e-3


def condition(
    mean: Tensor, logits: Tensor, lightness: Tensor, centers: Tensor, statistics: GlobalStatistics
) -> tuple[Tensor, Tensor]:
    """Match the mean colors and distributions of the cells to target statistics.

    A target histogram changes the mean colors and distributions. A target saturation then scales the mean
    colors. For an image without a target, the histogram contains only zeros or the saturation is negative.

    Args:
        mean: ``(B, N, 2)``, mean color of each cell, ab / `AB_SCALE`.
        logits: ``(B, N, 313)``, logits of the color distribution of each cell.
        lightness: ``(B, 1, h, w)``, lightness of each cell in [0, 100].
        centers: ``(313, 2)``, centers of the ab bins, ab / `AB_SCALE`.
        statistics: Target histogram, target saturation or both, for each image.

    Returns:
        Changed mean colors ``(B, N, 2)`` and logits ``(B, N, 313)``.
    """
    # fraction of the target saturation that is applied, (B, 1, 1)
    saturation_fraction = torch.full_like(mean[:, :1, :1], _FRACTION)
    if statistics.histogram is not None:
        histogram = statistics.histogram.to(logits)[:, None]  # (B, 1, 313)
        has_histogram = histogram.sum(dim=2, keepdim=True) > 0
        matched_logits = match_histogram(logits, histogram)
        mean = torch.where(has_histogram, matched_logits.softmax(dim=2) @ centers, mean)
        logits = torch.where(has_histogram, matched_logits, logits)
        saturation_fraction = torch.where(has_histogram, _FRACTION_WITH_HISTOGRAM, saturation_fraction)
    if statistics.saturation is not None:
        saturation = statistics.saturation.to(mean)[..., None]  # (B, 1, 1)
        scaled_mean = match_saturation(mean, lightness, saturation_fraction * saturation)
        mean = torch.where(saturation >= 0, scaled_mean, mean)
    return mean, logits


def match_histogram(logits: Tensor, histogram: Tensor) -> Tensor:
    """Change distributions minimally so that their mean over all cells matches a histogram.

    Args:
        logits: ``(B, N, 313)``, logits of the predicted color distribution of each cell.
        histogram: ``(B, 1, 313)``, target fraction of each ab bin.

    Returns:
        Logits ``(B, N, 313)`` of the changed distributions.
    """
    probabilities = (_EXPONENT * logits).softmax(dim=2)
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        totals = (probabilities @ weights.mT).clamp(min=_EPSILON)  # (B, N, 1), normalizes each cell
        current = weights * ((1 / totals).mT @ probabilities) / probabilities.shape[1]
        weights = (weights * (histogram + _HISTOGRAM_OFFSET) / (current + _HISTOGRAM_OFFSET)).clamp(
            1 / _MAX_WEIGHT, _MAX_WEIGHT
        )
    return _EXPONENT * logits + weights.log()


def match_saturation(mean: Tensor, lightness: Tensor, saturation: Tensor) -> Tensor:
    """Multiply the colors of each image by one factor to match a mean saturation.

    Args:
        mean: ``(B, N, 2)``, mean color of each cell, ab / `AB_SCALE`.
        lightness: ``(B, 1, h, w)``, lightness of each cell in [0, 100].
        saturation: ``(B, 1, 1)``, target mean HSV saturation in [0, 1].
    """
    ab = AB_SCALE * mean.mT
    factor = torch.ones_like(saturation)
    for _ in range(_STEPS):
        lab = torch.cat([lightness.flatten(2), factor * ab], dim=1)
        current = pixel_saturation(lab_to_rgb(lab[..., None])).mean(dim=1, keepdim=True)
        factor = (factor * saturation / current.clamp(min=_MIN_SATURATION)).clamp(max=_MAX_FACTOR)
    return factor * mean
