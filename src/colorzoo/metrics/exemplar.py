"""Metrics of results and exemplars: histogram intersection and contextual similarity (Mechrez et al.)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.color import grid_index
from colorzoo.errors import WeightsError
from colorzoo.metrics.base import ImageMean, Output, mean_of_moments, require_exemplars
from colorzoo.metrics.feature_networks import (
    FeatureNetwork,
    FrozenNetwork,
    load_by_name,
    published_weights,
)
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.weights import load_state_dict_file

BINS = 529  # the 23 x 23 grid over ab, 10 CIE units wide
EPSILON = 1e-5
# layer name -> number of torchvision's VGG-19 layers up to it, and number of channels
LAYERS = {"relu2_2": (9, 128), "relu3_2": (14, 256), "relu4_2": (23, 512), "relu5_2": (32, 512)}


def ab_histogram(ab: Tensor) -> Tensor:
    """Return the ``(B, 529)`` fraction of pixels in each bin of the ab grid for ``(B, 2, H, W)`` images."""
    bins = grid_index(ab.float()).flatten(1)
    counts = torch.zeros(len(ab), BINS, device=ab.device)
    return counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32)) / bins.shape[1]


def histogram_intersection(ab: Tensor, reference_ab: Tensor) -> Tensor:
    """Return the intersection of the color histograms of results and exemplars.

    Examples:
        >>> ab = torch.full((2, 2, 8, 8), 20.0)
        >>> histogram_intersection(ab, ab[:, :, :4])
        tensor([1., 1.])

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        reference_ab: ``(B, 2, h, w)`` in CIE units; it may have another size.

    Returns:
        ``(B,)`` in [0, 1]; 1 for equal histograms.
    """
    return torch.minimum(ab_histogram(ab), ab_histogram(reference_ab)).sum(dim=1)


class HistogramIntersection(ImageMean):
    """Mean over images of `histogram_intersection` with their exemplars, in [0, 1].

    Examples:
        >>> ab = torch.full((2, 2, 8, 8), 20.0)
        >>> HistogramIntersection()(ab, -ab)
        tensor(0.)
    """

    names = {"histogram_intersection": {}}
    higher_is_better = True
    is_differentiable = False

    def update(self, ab: Tensor, reference_ab: Tensor) -> None:
        """Add images; see `histogram_intersection`.

        Raises:
            DataError: The numbers of results and exemplars differ, or a batch does not have two channels.
        """
        require_exemplars(ab, reference_ab, 2, values=self.validate_args)
        self.add(histogram_intersection(ab, reference_ab))

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        """Return the report columns of this metric; see `ColorMetric.outputs`."""
        return (Output("hist_ab529_reference_mean", "Histogram int.", "", "higher", mean_of_moments),)


def contextual_similarity(maps: Tensor, reference_maps: Tensor, *, bandwidth: float = 0.5) -> Tensor:
    """Return the contextual similarity of feature maps (Mechrez et al. 2018, eqs. 1 to 4).

    Examples:
        >>> maps, reference_maps = torch.rand(2, 8, 6, 6), torch.rand(2, 8, 5, 7)
        >>> contextual_similarity(maps, reference_maps).shape
        torch.Size([2])

    For each feature of the reference, the most similar feature of the result is selected. Similarity is the
    cosine after subtracting the reference's mean, relative to the best match of each feature of the result.

    Args:
        maps: ``(B, C, h, w)`` features of results.
        reference_maps: ``(B, C, h', w')`` features of exemplars.
        bandwidth: ``h`` of eq. 3; 0.5 in the paper, 0.1 in SPColor's loss.

    Returns:
        ``(B,)`` float32 in [0, 1]; near 1 if each feature of the reference has a distinct match.
    """
    result, reference = maps.float().flatten(2), reference_maps.float().flatten(2)
    center = reference.mean(dim=2, keepdim=True)
    result, reference = (nn.functional.normalize(part - center, dim=1) for part in (result, reference))
    distance = (1 - result.transpose(1, 2) @ reference).clamp(min=0)
    relative = distance / (distance.amin(dim=2, keepdim=True) + EPSILON)
    # softmax is the normalized exp((1 - relative) / h), whose 1 / h cancels
    affinity = torch.softmax(-relative / bandwidth, dim=2)
    return affinity.amax(dim=1).mean(dim=1)


class _LastOutput(VGGOutputs):
    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(images)[0]


def vgg19_maps(layer: str = "relu4_2", weights: Path | None = None) -> FeatureNetwork:
    """Build torchvision's VGG-19 up to a layer; images keep their size.

    Examples:
        >>> vgg19_maps("relu4_2").network(torch.rand(1, 3, 64, 64)).shape  # doctest: +SKIP
        torch.Size([1, 512, 8, 8])

    Args:
        layer: ``relu2_2``, ``relu3_2``, ``relu4_2`` or ``relu5_2``.
        weights: Weight file with torchvision's names; None downloads the ImageNet weights once.

    Returns:
        A network that returns ``(B, C, h, w)``.

    Raises:
        WeightsError: The layer does not exist, or the weights are missing or do not fit.
    """
    from torchvision import models

    if layer not in LAYERS:
        raise WeightsError(f"unknown VGG-19 layer {layer!r}; expected one of {', '.join(LAYERS)}")
    depth, channels = LAYERS[layer]
    url = str(models.VGG19_Weights.IMAGENET1K_V1.url)
    found = published_weights(url) if weights is None else load_state_dict_file(weights)
    network = _LastOutput(19, (depth - 1,), rgb=True)
    load_by_name(network, {key: key for key in network.state_dict()}, found, f"VGG-19 up to {layer}")
    return FeatureNetwork(f"vgg19-{layer}", "full-size", network, channels)


class ContextualSimilarity(ImageMean):
    """Mean over images of `contextual_similarity` with their exemplars (Mechrez et al. 2018).

    Examples:
        >>> network = FeatureNetwork("pixels", "whole", torch.nn.Identity(), 3)
        >>> rgb = torch.rand(1, 3, 8, 8)
        >>> ContextualSimilarity(network)(rgb, rgb).keys()
        dict_keys(['cx_pixels_whole_h0.5'])

    Args:
        features: A network that returns feature maps, or a layer name for `vgg19_maps`.
        weights: Weight file for a layer given by name.
        bandwidth: See `contextual_similarity`; it is part of the result key.
        **options: See `ColorMetric`.
    """

    names = {"contextual": {}}
    default_network = "relu4_2"
    higher_is_better = True
    is_differentiable = True

    def __init__(
        self,
        features: FeatureNetwork | str = "relu4_2",
        weights: Path | None = None,
        *,
        bandwidth: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if isinstance(features, str):
            features = vgg19_maps(features, weights)
        self.network = FrozenNetwork(features.network, features.dimension)
        self.bandwidth = bandwidth
        self.key = f"cx_{features.name}_{features.preprocessing}_h{bandwidth:g}"

    def update(self, rgb: Tensor, reference_rgb: Tensor, reference_maps: Tensor | None = None) -> None:
        """Add images.

        Args:
            rgb: ``(B, 3, H, W)`` results in [0, 1].
            reference_rgb: ``(B, 3, h, w)`` their exemplars in [0, 1]; they may have another size.
            reference_maps: Features of the exemplars; pass them to share the computation among methods.

        Raises:
            DataError: The numbers of results and exemplars differ, or a batch does not have three channels.
        """
        require_exemplars(rgb, reference_rgb, 3, values=self.validate_args)
        if reference_maps is None:
            reference_maps = self.network(reference_rgb.float())
        maps = self.network(rgb.float())
        self.add(contextual_similarity(maps, reference_maps, bandwidth=self.bandwidth))

    def shared_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``reference_maps``."""
        return {"reference_maps": self.network(inputs["reference_rgb"].float())}

    def compute(self) -> dict[str, Tensor]:
        """Return ``cx_NETWORK_PREPROCESSING_hBANDWIDTH``."""
        return {self.key: self.mean()}

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        """Return the report columns of this metric; see `ColorMetric.outputs`."""
        return (Output(f"{self.key}{suffix}_mean", "Contextual sim.", "", "higher", mean_of_moments),)
