"""VGG features for perceptual losses, with torchvision's layers, names and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights, VGG16_Weights, VGG19_Weights

from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights
from colorzoo.networks.imagenet import VGGOutputs

URLS = {
    "VGG-16 with BatchNorm": str(VGG16_BN_Weights.IMAGENET1K_V1.url),
    "VGG-16": str(VGG16_Weights.IMAGENET1K_V1.url),
    "VGG-19": str(VGG19_Weights.IMAGENET1K_V1.url),
}
"""URLs of torchvision's weights."""


def frozen_vgg16(layers: Sequence[int], *, untrained: bool) -> FrozenNetwork:
    """Return a frozen VGG-16 with BatchNorm; its weights are excluded from state dicts.

    Args:
        layers: Indices of the layers whose outputs the network returns, in ascending order; see `VGGOutputs`.
        untrained: Whether to keep random weights, for tests.

    Raises:
        WeightsError: The weights are not available or do not match.
    """
    network = VGGOutputs(16, layers, batch_norm=True)
    return frozen_vgg(network, "VGG-16 with BatchNorm", untrained=untrained)


def frozen_vgg(network: nn.Module, name: str, *, untrained: bool) -> FrozenNetwork:
    """Load torchvision weights into a VGG and return it as a frozen feature network.

    The weights are excluded from state dicts.

    Args:
        network: VGG network with the parameter names of torchvision.
        name: Name of the network; a key of `URLS`.
        untrained: Whether to keep random weights, for tests.

    Raises:
        WeightsError: The weights are not available or do not match.
    """
    if not untrained:
        load_torchvision(network, published_weights(URLS[name]), name)
    return FrozenNetwork(network)


def load_vgg19(layers: nn.Module) -> None:
    """Load weights of torchvision's VGG-19 without BatchNorm into a module.

    Args:
        layers: Module with the first layers of the VGG-19, numbered as in torchvision's ``features``.

    Raises:
        WeightsError: The weights are not available or do not match.
    """
    names = {key: f"features.{key}" for key in layers.state_dict()}
    load_by_name(layers, names, published_weights(URLS["VGG-19"]), "VGG-19")


def load_torchvision(network: nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict of torchvision into a network.

    BatchNorm counters (``num_batches_tracked``) can be missing from the state dict, as in older files.

    Args:
        network: Network with the parameter names of torchvision.
        weights: State dict of torchvision; additional entries are ignored.
        what: Name of the network in error messages.

    Raises:
        WeightsError: A name is missing, or a shape differs.
    """
    own = network.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    load_by_name(network, {key: key for key in own}, {**counters, **weights}, what)
