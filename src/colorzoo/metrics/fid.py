"""FID and KID, distances between two image sets.

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
    titles = ("FID", "Fréchet distance")  # with the Inception network, and with another network
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
        title, other_title = self.titles
        if features.name != "inception-v3":
            title = f"{other_title} ({features.name.removeprefix('timm-')})"
        (short,) = self.names
        self.key = f"{short}_{features.name}_{features.preprocessing}"
        digits = 2 if short == "fid" else 4
        self.outputs = (
            Output(f"{self.key}{suffix}", title, "", "lower", no_finish, digits, per_image=False),
        )

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


class KID(FID):
    """Kernel distance between features of results and ground truth (Binkowski et al. 2018).

    Unlike FID, the value is unbiased for few images. It is computed from all pairs of images instead of
    random subsets, and can be slightly negative.

    Examples:
        >>> from colorzoo.metrics.feature_networks import FeatureNetwork
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> kid = KID(FeatureNetwork("colors", "whole", pool, 3))
        >>> kid.update(torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8))
        >>> kid.compute().keys()
        dict_keys(['kid_colors_whole'])
    """

    names = {"kid": {}}
    titles = ("KID", "Kernel distance")
    result_features: list[Tensor] | Tensor  # a tensor after a synchronization of processes
    true_features: list[Tensor] | Tensor

    def __init__(
        self, features: FeatureNetwork | str = "inception-v3", weights: Path | None = None, **options: Any
    ) -> None:
        super().__init__(features, weights, **options)
        for name in ("result_features", "true_features"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, rgb: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Add results and ground truth ``(B, 3, H, W)`` in [0, 1], rounded to 8 bits."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():
            for state, image in ((self.result_features, rgb), (self.true_features, target)):
                assert isinstance(state, list), "update runs before the synchronization"
                state.append(self.features(image))

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """Return a dict that maps the result key to the KID; NaN for fewer than two images."""
        states = self.result_features, self.true_features
        parts = [[state] if isinstance(state, Tensor) else state for state in states]
        if not parts[0]:
            return {self.key: torch.full_like(self.real_features_sum[0], torch.nan).float()}
        one, other = (torch.cat(part).double().cpu().numpy() for part in parts)
        return {self.key: parts[0][0].new_tensor(kernel_distance(one, other))}


def kernel_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the unbiased squared maximum mean discrepancy with the kernel (x y / D + 1)^3.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance; NaN for fewer than two images.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    one, other = one.astype(np.float64), other.astype(np.float64)

    def kernel(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((first @ second.T / first.shape[1] + 1) ** 3)

    within = 0.0
    for features in (one, other):
        values = kernel(features, features)
        within += (values.sum() - np.trace(values)) / (len(features) * (len(features) - 1))
    return float(within - 2 * kernel(one, other).mean())


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
