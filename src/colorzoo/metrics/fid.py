"""FID, a distance between two image sets.

The result key contains the names of the feature network and of its preprocessing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from colorzoo.metrics.base import ColorMetric, Output, no_finish, require_pair
from colorzoo.metrics.feature_networks import FeatureNetwork, FrozenNetwork, feature_network, weights_suffix
from colorzoo.metrics.psnr import to_8bit


class FID(ColorMetric, FrechetInceptionDistance):
    """Fréchet distance between features of results and ground truth (Heusel et al. 2017).

    Examples:
        >>> from colorzoo.metrics.feature_networks import FeatureNetwork
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> fid = FID(FeatureNetwork("colors", "whole", pool, 3))
        >>> truth = torch.rand(4, 3, 8, 8)
        >>> fid.update(truth, truth)
        >>> fid.compute().keys()
        dict_keys(['fid_colors_whole'])

    Args:
        features: Name for `feature_network`, or a `colorzoo.metrics.feature_networks.FeatureNetwork`: an
            object with the attributes ``name`` and ``preprocessing`` (parts of the result key), ``network``
            (a module that maps RGB ``(B, 3, H, W)`` in [0, 1] to ``(B, dimension)``) and ``dimension``.
        weights: Weight file; used only if ``features`` is a name.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"fid": {}}
    default_network = "inception-v3"
    value_shape = None  # the states of torchmetrics
    higher_is_better = False
    is_differentiable = False

    def __init__(
        self, features: FeatureNetwork | str = "inception-v3", weights: Path | None = None, **options: Any
    ) -> None:
        suffix = ""
        if isinstance(features, str):
            features = feature_network(features, weights)
            suffix = weights_suffix(weights)
        super().__init__(feature=FrozenNetwork(features.network, features.dimension), **options)
        other = f"Fréchet distance ({features.name.removeprefix('timm-')})"
        title = "FID" if features.name == "inception-v3" else other
        self.key = f"fid_{features.name}_{features.preprocessing}"
        self.outputs = (Output(f"{self.key}{suffix}", title, "", "lower", no_finish, 2, per_image=False),)

    def update(self, rgb: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Add results and ground truth ``(B, 3, H, W)`` in [0, 1], rounded to 8 bits."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():
            super().update(to_8bit(rgb) / 255, real=False)
            super().update(to_8bit(target) / 255, real=True)

    def features(self, rgb: Tensor) -> Tensor:
        """Return the features ``(B, D)`` of RGB ``(B, 3, H, W)`` in [0, 1], rounded to 8 bits."""
        return self.inception(to_8bit(rgb) / 255)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """Return a dict that maps the result key to the FID; NaN for fewer than two images."""
        if self.real_features_num_samples < 2:
            return {self.key: torch.full_like(self.real_features_sum[0], torch.nan).float()}
        distance = FrechetInceptionDistance.compute(self)
        return {self.key: distance.clamp(min=0)}  # rounding errors can give -3e-7


def frechet_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the Fréchet distance between Gaussians fitted to two feature sets.

    The result equals the FID of torchmetrics (Heusel et al. 2017). For centered features A and B, the
    covariance term is computed from the singular values of ``A B^T``, which is fast for few images.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance, at least 0; NaN for fewer than two images.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    mean, trace, factor = _gaussian(one)
    other_mean, other_trace, other_factor = _gaussian(other)
    squared_mean_distance = float(((mean - other_mean) ** 2).sum())
    covariance_term = float(np.linalg.svd(factor @ other_factor.T, compute_uv=False).sum())
    distance = squared_mean_distance + (trace + other_trace) - 2 * covariance_term
    return max(distance, 0.0)


def _gaussian(features: NDArray[Any]) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Fit a Gaussian to features ``(N, D)``.

    Returns:
        Mean ``(D,)``, trace of the covariance, and a matrix ``(K, D)`` whose product ``A^T A`` is the
        covariance, with K = min(N, D).
    """
    features = features.astype(np.float64)
    mean = features.mean(0)
    centered = (features - mean) / np.sqrt(len(features) - 1)
    trace = float((centered**2).sum())
    is_tall = len(centered) > centered.shape[1]
    return mean, trace, np.asarray(np.linalg.qr(centered, mode="r")) if is_tall else centered
