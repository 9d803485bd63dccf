"""Frechet Inception Distance, whose network and preprocessing stay in the key of the number."""

from __future__ import annotations

from pathlib import Path

import torch
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
            super().update(to_8bit(rgb) / 255, real=False)
            super().update(to_8bit(target) / 255, real=True)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the distance under ``fid_NETWORK_PREPROCESSING``; NaN for fewer than two pictures."""
        if self.real_features_num_samples < 2:
            return {self.key: torch.full_like(self.real_features_sum[0], torch.nan).float()}
        return {self.key: super().compute().clamp(min=0)}  # rounding can give -3e-7
