"""FID and KID: distances of image sets; network and preprocessing are part of the result key."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.utilities.data import dim_zero_cat

from colorzoo.metrics.base import ColorMetric, Output, no_finish, require_pair
from colorzoo.metrics.feature_networks import FeatureNetwork, FrozenNetwork, feature_network
from colorzoo.metrics.psnr import to_8bit


class FeatureDistance(ColorMetric):
    """Base class of distances between the features of results and ground truth.

    Attributes:
        short_title: Established name, which is the heading with Inception-v3.
        long_title: Heading with other networks.
        digits: Number of decimals in reports.
    """

    default_network = "inception-v3"
    of_whole_set = True
    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    short_title: ClassVar[str]
    long_title: ClassVar[str]
    digits: ClassVar[int]

    def set_key(self, features: FeatureNetwork) -> None:
        """Set the key of the results and their heading."""
        other = f"{self.long_title} ({features.name.removeprefix('timm-')})"
        self.title = self.short_title if features.name == "inception-v3" else other
        self.key = f"{self.short_title.lower()}_{features.name}_{features.preprocessing}"

    @abstractmethod
    def features(self, rgb: Tensor) -> Tensor:
        """Return the ``(B, dimension)`` features of RGB ``(B, 3, H, W)`` in [0, 1], truncated to 8 bits."""

    def image_moments(self, inputs: Mapping[str, Any]) -> list[list[float]]:
        """Return the features of one result."""
        return [self.features(inputs["rgb"])[0].tolist()]

    @abstractmethod
    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the distance between two sets of features, ``(N, D)`` and ``(M, D)``."""

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        """Return the report columns of this metric; see `ColorMetric.outputs`."""
        key = f"{self.key}{suffix}"
        return (Output(key, self.title, "", "lower", no_finish, self.digits, per_image=False),)


class FID(FeatureDistance, FrechetInceptionDistance):
    """Frechet distance between features of results and ground truth (Heusel et al. 2017), by torchmetrics.

    Examples:
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> fid = FID(FeatureNetwork("colors", "whole", pool, 3))
        >>> truth = torch.rand(4, 3, 8, 8)
        >>> fid.update(truth, truth)
        >>> fid.compute().keys()
        dict_keys(['fid_colors_whole'])

    Args:
        features: A network, or a name for `feature_network`.
        weights: Weight file of a network given by name; see `feature_network`.
        **options: See `ColorMetric`.
    """

    names = {"fid": {}}
    short_title, long_title, digits = "FID", "Fréchet distance", 2

    def __init__(
        self, features: FeatureNetwork | str = "inception-v3", weights: Path | None = None, **options: Any
    ) -> None:
        if isinstance(features, str):
            features = feature_network(features, weights)
        super().__init__(feature=FrozenNetwork(features.network, features.dimension), **options)
        self.set_key(features)

    def update(self, rgb: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Add images: both ``(B, 3, H, W)`` in [0, 1]; they are truncated to 8 bits."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():
            super().update(to_8bit(rgb) / 255, real=False)
            super().update(to_8bit(target) / 255, real=True)

    def features(self, rgb: Tensor) -> Tensor:
        """Return the feature vectors of images; see `FeatureDistance.features`."""
        features: Tensor = self.inception(to_8bit(rgb) / 255)
        return features

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the distance under its key; NaN for fewer than two images."""
        if self.real_features_num_samples < 2:
            return {self.key: torch.full_like(self.real_features_sum[0], torch.nan).float()}
        return {self.key: super().compute().clamp(min=0)}  # rounding errors can give -3e-7

    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the Frechet distance."""
        return frechet_distance(one, other)


class KID(FeatureDistance):
    """Kernel distance between features of results and ground truth (Binkowski et al. 2018).

    The distance uses all images at once and is deterministic; torchmetrics averages over random subsets.
    The features of all images are stored.

    Examples:
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> kid = KID(FeatureNetwork("colors", "whole", pool, 3))
        >>> kid.update(torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8))
        >>> kid.compute().keys()
        dict_keys(['kid_colors_whole'])

    Args:
        features: A network, or a name for `feature_network`.
        weights: Weight file of a network given by name; see `feature_network`.
        **options: See `ColorMetric`.
    """

    names = {"kid": {}}
    short_title, long_title, digits = "KID", "Kernel distance", 4
    results: list[Tensor] | Tensor  # a tensor after synchronization between processes
    truths: list[Tensor] | Tensor

    def __init__(
        self, features: FeatureNetwork | str = "inception-v3", weights: Path | None = None, **options: Any
    ) -> None:
        if isinstance(features, str):
            features = feature_network(features, weights)
        super().__init__(**options)
        self.network = FrozenNetwork(features.network, features.dimension)
        self.set_key(features)
        for name in ("results", "truths"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add images: both ``(B, 3, H, W)`` in [0, 1]; they are truncated to 8 bits."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():
            for name, images in (("results", rgb), ("truths", target)):
                getattr(self, name).append(self.features(images))

    def features(self, rgb: Tensor) -> Tensor:
        """Return the feature vectors of images; see `FeatureDistance.features`."""
        features: Tensor = self.network(to_8bit(rgb) / 255)
        return features

    def compute(self) -> dict[str, Tensor]:
        """Return the distance under its key; NaN for fewer than two images."""
        if not len(self.results):
            return {self.key: torch.tensor(torch.nan, device=self.device)}
        one, other = (dim_zero_cat(each) for each in (self.results, self.truths))
        value = self.distance(one.cpu().numpy(), other.cpu().numpy())
        return {self.key: torch.tensor(value, device=one.device, dtype=torch.float32)}

    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the kernel distance."""
        return kernel_distance(one, other)


def frechet_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017).

    The result equals torchmetrics' FID. For centered features A and B, the trace of the square root of the
    product of their covariances equals the sum of the singular values of ``A B^T``, which is fast for few
    images.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance, at least 0; NaN for fewer than two images.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    factors: list[NDArray[np.float64]] = []
    means, traces = [], []
    for features in (one.astype(np.float64), other.astype(np.float64)):
        centered = (features - features.mean(0)) / np.sqrt(len(features) - 1)
        means.append(features.mean(0))
        traces.append(float((centered**2).sum()))
        if len(centered) > centered.shape[1]:  # replace by a factor of the same covariance with fewer rows
            centered = np.asarray(np.linalg.qr(centered, mode="r"))
        factors.append(centered)
    shared = float(np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum())
    distance = float(((means[0] - means[1]) ** 2).sum()) + sum(traces) - 2 * shared
    return max(distance, 0.0)


def kernel_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the squared maximum mean discrepancy between two feature sets (Binkowski et al. 2018, eq. 4).

    The kernel is the cubic polynomial ``(x . y / D + 1)^3``. The estimator is unbiased, so it can be
    negative.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance; NaN for fewer than two images.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    x, y = one.astype(np.float64), other.astype(np.float64)

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)

    own = 0.0
    for features in (x, y):
        values, count = kernel(features, features), len(features)
        own += float(values.sum() - np.trace(values)) / (count * (count - 1))
    return own - 2 * float(kernel(x, y).mean())
