"""Frechet Inception Distance, whose network and preprocessing stay in the key of the number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from colorzoo.metrics.checks import require_pair
from colorzoo.metrics.features import FeatureNetwork, feature_network
from colorzoo.metrics.frozen import Frozen
from colorzoo.metrics.psnr import to_8bit


class FID(FrechetInceptionDistance):
    """Frechet distance between the features of results and of truths (Heusel et al. 2017), over torchmetrics.

    Args:
        features: A network, or a name for `feature_network`.
        weights: For a network given by name; see `feature_network`.
    """

    def __init__(self, features: FeatureNetwork | str = "inception-v3", weights: Path | None = None) -> None:
        if isinstance(features, str):
            features = feature_network(features, weights)
        super().__init__(feature=Frozen(features.network, features.dimension))
        self.key = f"fid_{features.name}_{features.preprocessing}"

    def update(self, rgb: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]; they are truncated to 8 bits."""
        require_pair(rgb, target, 3)
        with torch.no_grad():
            super().update(_levels(rgb), real=False)
            super().update(_levels(target), real=True)

    def features(self, rgb: Tensor) -> Tensor:
        """Return the ``(B, dimension)`` features of RGB ``(B, 3, H, W)`` in [0, 1]."""
        features: Tensor = self.inception(_levels(rgb))
        return features

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the distance under ``fid_NETWORK_PREPROCESSING``; NaN for fewer than two pictures."""
        if self.real_features_num_samples < 2:
            return {self.key: torch.full_like(self.real_features_sum[0], torch.nan).float()}
        return {self.key: super().compute().clamp(min=0)}  # rounding can give -3e-7


def _levels(rgb: Tensor) -> Tensor:
    return to_8bit(rgb) / 255


def frechet_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the Frechet distance of Gaussians fitted to two sets of features (Heusel et al. 2017).

    What `FID` answers, where the features themselves are kept.

    With centered features A and B, the trace of the root of the product of their covariances is the sum of
    the singular values of ``A B^T``, which is cheap for few pictures and exact for all.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance, at least 0; NaN for fewer than two pictures.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    factors: list[NDArray[np.float64]] = []
    means, traces = [], []
    for features in (one.astype(np.float64), other.astype(np.float64)):
        centered = (features - features.mean(0)) / np.sqrt(len(features) - 1)
        means.append(features.mean(0))
        traces.append(float((centered**2).sum()))
        factors.append(_short(centered))
    shared = float(np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum())
    distance = float(((means[0] - means[1]) ** 2).sum()) + sum(traces) - 2 * shared
    return max(distance, 0.0)


def _short(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a factor of the same covariance with at most as many rows as columns."""
    if len(factor) <= factor.shape[1]:
        return factor
    return np.asarray(np.linalg.qr(factor, mode="r"))
