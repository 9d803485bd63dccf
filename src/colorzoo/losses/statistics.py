"""Color histogram and smoothness losses (Gorriz Blanch et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.precision import in_float32

_BINS = 21  # number of bins per axis, from -1 to 1
_STEP = 0.1  # distance between bin centers


@in_float32
def soft_histogram(ab: Tensor) -> Tensor:
    """Return the soft ab histogram of each image over 21 x 21 bins (Gorriz Blanch et al. 2021).

    Examples:
        >>> soft_histogram(torch.zeros(2, 2, 8, 8)).shape
        torch.Size([2, 21, 21])

    Bin centers range from -1 to 1. Each color is split bilinearly among the four nearest bins. Colors outside
    [-1.1, 1.1] are ignored.

    Args:
        ab: ``(B, 2, H, W)`` ab divided by 110.

    Returns:
        ``(B, 21, 21)`` fractions of pixels, with axis 1 for a and axis 2 for b. The fractions sum to 1 if all
        values are in [-1, 1].
    """
    centers = torch.linspace(-1, 1, _BINS, dtype=ab.dtype, device=ab.device).view(1, 1, -1, 1)
    distance = (centers - ab.flatten(2).unsqueeze(2)).abs()  # (B, 2, 21, pixels)
    weights = (_STEP - distance).clamp(min=0) / _STEP
    pixels = weights.shape[-1]
    sums: Tensor = weights[:, 0] @ weights[:, 1].transpose(1, 2)
    return sums / pixels


@in_float32
def chi_square_distance(found: Tensor, wanted: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    """Return the chi-square distance between histograms, ``2 * sum((p - q)^2 / (p + q))``.

    Examples:
        >>> chi_square_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]])).round(decimals=3)
        tensor([1.3330])

    Args:
        found: ``(B, ...)`` histograms with sum 1.
        wanted: Target histograms of the same shape.
        epsilon: Constant added to the denominator, because corresponding bins may both be empty.

    Returns:
        ``(B,)`` distances in [0, 4]; 0 for equal histograms.
    """
    terms = (found - wanted).square() / (found + wanted + epsilon)
    return 2 * terms.flatten(1).sum(dim=1)


@in_float32
def total_variation(maps: Tensor) -> Tensor:
    """Return the total variation loss: squared differences of neighboring pixels.

    The loss is twice the sum of two means: the mean squared difference of vertical neighbors, and the mean
    squared difference of horizontal neighbors.

    Examples:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
        tensor(2.)

    Args:
        maps: ``(B, C, H, W)`` with H and W at least 2.
    """
    down, across = maps.diff(dim=2).square().mean(), maps.diff(dim=3).square().mean()
    return 2 * (down + across)
