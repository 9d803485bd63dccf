"""Errors in ab: root mean square error, and area under the accuracy-tolerance curve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from colorzoo.color import nearest_bin, prior_probabilities, rebalancing_weights
from colorzoo.metrics.base import ColorMetric, Moments, Output, mean_of_moments, require_pair
from colorzoo.metrics.psnr import squared_errors
from colorzoo.networks.blocks import float64_device

LARGEST = 150  # CIE units, the largest tolerance of Zhang et al. 2016
PIXELS_AT_ONCE = 1 << 16  # limits the distances to 313 bins to 80 MB


class MeanAbRMSE(ColorMetric):
    """Root mean square error of a and b, averaged over images, in CIE units.

    Examples:
        >>> truth = torch.zeros(2, 2, 8, 8)
        >>> MeanAbRMSE()(truth + 5, truth)
        tensor(5.)
    """

    names = {"ab_rmse": {}}
    outputs = (Output("ab_rmse_mean", "ab RMSE", "", "lower", mean_of_moments, 2),)
    higher_is_better = False
    is_differentiable = True

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add results and ground truth, ``(B, 2, H, W)`` ab in CIE units."""
        require_pair(ab, target_ab, 2, values=self.validate_args)
        self.add(squared_errors(ab, target_ab).sqrt())


def tolerance_histogram(ab: Tensor, target_ab: Tensor, weights: Tensor | None = None) -> Tensor:
    """Count pixels by their ab error, rounded up to an integer (Zhang et al. 2016, sec. 3.1).

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        target_ab: ``(B, 2, H, W)`` ground truth in CIE units.
        weights: ``(B, H, W)`` weight of each pixel; 1 by default.

    Returns:
        ``(152,)`` float64: counts for errors 0 to 150, then the count of all larger errors.
    """
    distance = torch.linalg.vector_norm(ab.float() - target_ab.float(), dim=1)
    device = float64_device(ab.device)
    bins = distance.ceil().clamp(max=LARGEST + 1).long().flatten().to(device)
    ones = torch.ones_like(bins, dtype=torch.float64)
    weight = ones if weights is None else weights.to(device).double().flatten()
    return torch.zeros(LARGEST + 2, dtype=torch.float64, device=device).index_add_(0, bins, weight)


def area_under_curve(histogram: Tensor) -> Tensor:
    """Return the area under the curve of accuracy over tolerance (0 to 150), scaled to [0, 1].

    Accuracy is the fraction of pixels with an error of at most the tolerance.

    Args:
        histogram: ``(..., 152)`` counts from `tolerance_histogram`.

    Returns:
        ``(...)`` areas by the trapezoidal rule; 1 without error, NaN for an empty histogram.
    """
    accuracy = histogram.cumsum(-1)[..., : LARGEST + 1] / histogram.sum(-1, keepdim=True)
    return torch.trapezoid(accuracy) / LARGEST


def area_of_moments(moments: Moments) -> Moments:
    """Return the `area_under_curve` for summed `AbAUC` states (moments).

    The last axis of ``moments`` contains an error histogram, the number of images with zero error, and the
    number of other images. Only the histogram is used.
    """
    return area_under_curve(torch.from_numpy(moments[..., :-2])).numpy()


class AbAUC(ColorMetric):
    """Area under the accuracy-tolerance curve of ab (Zhang et al. 2016, Table 1).

    The value ``auc`` weights all pixels equally. The value ``auc_rebalanced`` gives pixels of rare colors
    larger weights.

    Examples:
        >>> truth = torch.full((2, 2, 8, 8), 20.0)
        >>> AbAUC()(truth + 5, truth)
        {'auc': tensor(0.9500), 'auc_rebalanced': tensor(0.9500)}

    Args:
        uniform: Weight of the uniform distribution that is mixed with the color frequencies (eq. 4). At 0,
            the value in the paper, every bin has the same total weight.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"auc": {}}
    outputs = (
        Output("auc_ab150_pooled", "AuC", "", "higher", area_of_moments),
        Output("auc_ab150_rebalanced_pooled", "AuC (rebalanced)", "", "higher", area_of_moments),
    )
    value_shape = None
    higher_is_better = True
    is_differentiable = False
    raw: Tensor
    rebalanced: Tensor

    def __init__(self, *, uniform: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.class_weights = rebalancing_weights(prior_probabilities().double(), uniform)
        for name in ("raw", "rebalanced"):
            self.add_state(name, torch.zeros(LARGEST + 2, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add results and ground truth, ``(B, 2, H, W)`` ab in CIE units."""
        require_pair(ab, target_ab, 2, values=self.validate_args)
        # the weight of a pixel is the weight of the color bin of its true color
        colors = target_ab.permute(0, 2, 3, 1).reshape(-1, 2)
        bins = torch.cat([nearest_bin(part) for part in torch.split(colors, PIXELS_AT_ONCE)])
        device = float64_device(target_ab.device)
        weights = self.class_weights.to(device)[bins.to(device)].view(len(ab), *ab.shape[2:])
        # Not in place, see `ColorMetric.add_sums`.
        self.raw = self.raw + tolerance_histogram(ab, target_ab).to(self.raw.device)
        self.rebalanced = self.rebalanced + tolerance_histogram(ab, target_ab, weights).to(self.raw.device)

    def compute(self) -> dict[str, Tensor]:
        """Return ``auc`` and ``auc_rebalanced`` in [0, 1]; NaN without images."""
        raw, rebalanced = area_under_curve(torch.stack([self.raw, self.rebalanced])).float()
        return {"auc": raw, "auc_rebalanced": rebalanced}

    def moments(self) -> list[list[float]]:
        """Return the summed states: the unweighted and the rebalanced error histogram."""
        return [[*histogram.tolist(), 0.0, 1.0] for histogram in (self.raw, self.rebalanced)]
