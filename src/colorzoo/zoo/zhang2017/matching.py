"""Match a network's distributions over colors to what is known of the whole picture (not in the paper).

A distribution at every place says which colors are likely there. Where the histogram of the picture is known,
or its saturation, one weight for each color, the same at all places, is found with which the distributions
agree with it; every place then takes its mean color. Nothing of this is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import hull_centers, lab_to_rgb
from colorzoo.guidance.color_statistics import pixel_saturation

_ROUNDS = 2  # of fitting the histogram: the second brings 0.05 dB, four bring no more
_FAINT = 1e-4  # shares far below this count as this much, so that no color is raised without bound
_STEEPEST = 16.0  # tilt by which a color of chroma 40 is e^16 times as likely as gray
_HALVINGS = 12  # of the interval of tilts, to 0.01
_CHROMA_UNIT = 40.0
_LUMA_STEP = 5.0  # of the table of saturations
_LEAST = 1e-30


def match_histogram(shares: Tensor, histogram: Tensor) -> Tensor:
    """Return the weights with which the mean of the distributions is a histogram, by proportional fitting.

    Args:
        shares: ``(B, 313, N)``, a distribution over the bins at each of N places.
        histogram: ``(B, 313)``.

    Returns:
        ``(B, 313)``.
    """
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        found = weights * torch.bmm(_scales(shares, weights), shares.mT).squeeze(1) / shares.shape[2]
        weights = weights * (histogram + _FAINT) / (found + _FAINT)
    return weights


def match_saturation(shares: Tensor, saturations: Tensor, saturation: Tensor) -> Tensor:
    """Return the weights, exponential in chroma, with which the expected mean saturation is a given one.

    Args:
        shares: ``(B, 313, N)``, a distribution over the bins at each of N places.
        saturations: ``(B, 313, N)``, of the bins' colors at the places, see `saturation_at`.
        saturation: ``(B, 1)`` in [0, 1].

    Returns:
        ``(B, 313)``.
    """
    saturated = shares * saturations
    chroma = torch.linalg.vector_norm(hull_centers(), dim=1).to(shares) / _CHROMA_UNIT
    low, high = torch.full_like(saturation, -_STEEPEST), torch.full_like(saturation, _STEEPEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weights = torch.exp(middle * chroma)
        expected = torch.bmm(weights.unsqueeze(1), saturated) * _scales(shares, weights)
        pale = expected.mean(dim=2) < saturation
        low, high = torch.where(pale, middle, low), torch.where(pale, high, middle)
    return torch.exp((low + high) / 2 * chroma)


def mean_colors(shares: Tensor, weights: Tensor) -> Tensor:
    """Return the mean colors of distributions whose bins are weighted, ``(B, 2, N)`` in CIE units.

    Args:
        shares: ``(B, 313, N)``.
        weights: ``(B, 313)``.
    """
    weighted = weights[:, :, None] * hull_centers().to(shares)
    return torch.bmm(weighted.mT, shares) * _scales(shares, weights)


def saturation_at(luma: Tensor, table: Tensor) -> Tensor:
    """Return the HSV saturation of every bin's color at given lightnesses.

    Args:
        luma: ``(B, N)``.
        table: Of `saturation_table`.

    Returns:
        ``(B, 313, N)``.
    """
    table = table.to(luma)
    place = (luma / _LUMA_STEP).clamp(0, table.shape[1] - 1)
    steps = torch.arange(table.shape[1], device=luma.device)
    between = (1 - (place[:, None] - steps[:, None]).abs()).clamp_min(0)  # linear between two steps
    return table @ between


def saturation_table() -> Tensor:
    """Return ``(313, 21)``: the saturation of each bin's color at lightness 0, 5 .. 100."""
    with torch.device("cpu"):  # a model may be built where only shapes are wanted
        luma = torch.arange(0, 100 + _LUMA_STEP, _LUMA_STEP)
        centers = hull_centers()
        planes = torch.stack(
            [luma.expand(len(centers), -1), *(each[:, None].expand(-1, len(luma)) for each in centers.T)]
        )
        return pixel_saturation(lab_to_rgb(planes[None]).clamp(0, 1))[0]


def _scales(shares: Tensor, weights: Tensor) -> Tensor:
    """Return by what weighted distributions must be multiplied to sum to 1, ``(B, 1, N)``."""
    return 1 / torch.bmm(weights.unsqueeze(1), shares).clamp_min(_LEAST)
