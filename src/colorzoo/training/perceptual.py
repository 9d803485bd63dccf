"""Features of VGG-16 for perceptual losses: torchvision's layers, names and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights, VGG16_Weights, VGG19_Weights

from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights
from colorzoo.networks.imagenet import outputs_of, vgg_layers

VGG16_URL = str(VGG16_BN_Weights.IMAGENET1K_V1.url)
PLAIN_URLS = {
    "VGG-16": str(VGG16_Weights.IMAGENET1K_V1.url),
    "VGG-19": str(VGG19_Weights.IMAGENET1K_V1.url),
}
"""Addresses of torchvision's weights without BatchNorm."""


class VGG16Features(nn.Module):
    """Maps of VGG-16 with BatchNorm, for images normalized as ImageNet's.

    Args:
        layers: Numbers of the layers whose outputs are returned, ascending.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        super().__init__()
        self.layers = layers
        self.features = vgg_layers(16, layers[-1] + 1, batch_norm=True)

    def forward(self, normalized: Tensor) -> list[Tensor]:
        """Return the maps of ``(B, 3, H, W)``."""
        return outputs_of(self.features, normalized, self.layers)


def frozen_vgg16(layers: Sequence[int], weights: Mapping[str, Tensor] | None) -> FrozenNetwork:
    """Return `VGG16Features` that are neither trained nor part of state dicts.

    Args:
        layers: See `VGG16Features`.
        weights: torchvision's state dict; None keeps random weights.

    Raises:
        WeightsError: The weights do not fit.
    """
    network = VGG16Features(layers)
    if weights is not None:
        load_torchvision(network, weights, "VGG-16 with BatchNorm")
    return FrozenNetwork(network)


def frozen_vgg(network: nn.Module, name: str, *, untrained: bool) -> FrozenNetwork:
    """Return a VGG without BatchNorm that is neither trained nor part of state dicts.

    Args:
        network: The network, with torchvision's names.
        name: One of `PLAIN_URLS`.
        untrained: Keep random weights, for tests.

    Raises:
        WeightsError: The weights are not available, or do not fit.
    """
    if not untrained:
        load_torchvision(network, published_weights(PLAIN_URLS[name]), name)
    return FrozenNetwork(network)


def load_torchvision(network: nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict of torchvision; older files have no counters of BatchNorm.

    Args:
        network: The network, with torchvision's names.
        weights: It may hold more than are needed.
        what: Description of the network for errors.

    Raises:
        WeightsError: A name is missing, or a shape does not fit.
    """
    own = network.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    load_by_name(network, {key: key for key in own}, {**counters, **weights}, what)
