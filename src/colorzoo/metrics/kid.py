"""Kernel Inception Distance, which is unbiased for sets of few pictures; its network is part of its key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from colorzoo.metrics.base import ColorMetric, require_pair
from colorzoo.metrics.feature_networks import FeatureNetwork, FrozenNetwork, feature_network
from colorzoo.metrics.fid import set_title, whole_levels
from colorzoo.metrics.outputs import Output, no_finish


class KID(ColorMetric):
    """Kernel distance between the features of results and truths (Binkowski et al. 2018).

    Examples:
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> kid = KID(FeatureNetwork("colors", "whole", pool, 3))
        >>> kid.update(torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8))
        >>> kid.compute().keys()
        dict_keys(['kid_colors_whole'])

    It takes all pictures at once, where torchmetrics averages over random subsets, so it can be repeated.

    Args:
        features: A network, or a name for `feature_network`.
        weights: Weight file of a network given by name; see `feature_network`.
        **options: See `ColorMetric`.
    """

    names = {"kid": {}}
    default_network = "inception-v3"
    of_whole_set = True
    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    results: list[Tensor] | Tensor  # a tensor between processes
    truths: list[Tensor] | Tensor

    def __init__(
        self,
        features: FeatureNetwork | str = "inception-v3",
        weights: Path | None = None,
        **options: Any,
    ) -> None:
        if isinstance(features, str):
            features = feature_network(features, weights)
        super().__init__(**options)
        self.network = FrozenNetwork(features.network, features.dimension)
        self.title = set_title("KID", "Kernel distance", features)
        self.key = f"kid_{features.name}_{features.preprocessing}"
        for name in ("results", "truths"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]; they are truncated to 8 bits."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():
            for name, pictures in (("results", rgb), ("truths", target)):
                getattr(self, name).append(self.network(whole_levels(pictures)))

    def compute(self) -> dict[str, Tensor]:
        """Return the distance under ``kid_NETWORK_PREPROCESSING``; NaN for fewer than two pictures."""
        if not len(self.results):
            return {self.key: torch.tensor(torch.nan, device=self.device)}
        one, other = (dim_zero_cat(each) for each in (self.results, self.truths))
        value = kernel_distance(one.cpu().numpy(), other.cpu().numpy())
        return {self.key: torch.tensor(value, device=one.device, dtype=torch.float32)}

    def picture_moments(self, given: Mapping[str, Any]) -> list[list[float]]:
        """Return the features of one result."""
        features: Tensor = self.network(whole_levels(given["rgb"]))
        return [features[0].tolist()]

    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the `kernel_distance`."""
        return kernel_distance(one, other)

    def outputs(self, mark: str = "") -> tuple[Output, ...]:
        """See `ColorMetric.outputs`."""
        return (Output(f"{self.key}{mark}", self.title, "", "lower", no_finish, 4, per_picture=False),)


def kernel_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the squared maximum mean discrepancy of two sets of features (Binkowski et al. 2018, eq. 4).

    The kernel is the cubic polynomial ``(x . y / D + 1)^3``. The estimate has no bias, so it may be negative.

    Args:
        one: ``(N, D)``.
        other: ``(M, D)``.

    Returns:
        The distance; NaN for fewer than two pictures.
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
