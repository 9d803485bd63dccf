"""Weights of torchvision that training begins with: the encoder's, and VGG-16's of the content loss."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from torchvision import models

from colorzoo.metrics.frozen import Frozen, load_by_name, published_weights
from colorzoo.weights import load_state_dict_file
from colorzoo.zoo.antic2019.losses import VGGFeatures
from colorzoo.zoo.antic2019.network import Encoder

TORCHVISION = "torchvision"

_ENCODERS = {
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet34": models.ResNet34_Weights.IMAGENET1K_V1,
    "resnet101": models.ResNet101_Weights.IMAGENET1K_V1,
}


def load_encoder(network: nn.Module, kind: Encoder, source: str) -> None:
    """Fill an encoder with torchvision's weights.

    Args:
        network: `ResNetEncoder` of torchvision's width.
        kind: Which one.
        source: Their file; `TORCHVISION` takes the one that torch hub keeps, fetching it once.

    Raises:
        WeightsError: They cannot be had, or do not fit.
    """
    _fill(network, source, str(_ENCODERS[kind].url), f"the encoder ({kind})")


def load_vgg(source: str | None) -> Frozen:
    """Return VGG-16 with BatchNorm as torchvision's, frozen and no part of state dicts.

    Args:
        source: As of `load_encoder`; None leaves its weights random.

    Raises:
        WeightsError: As `load_encoder`.
    """
    vgg = VGGFeatures()
    if source is not None:
        _fill(vgg, source, str(models.VGG16_BN_Weights.IMAGENET1K_V1.url), "VGG-16 with BatchNorm")
    return Frozen(vgg)


def _fill(network: nn.Module, source: str, url: str, what: str) -> None:
    found = published_weights(url) if source == TORCHVISION else load_state_dict_file(Path(source))
    own = network.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    load_by_name(network, {key: key for key in own}, {**counters, **found}, what)  # older files count nothing
