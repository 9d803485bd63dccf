"""The losses of DDColor (Kang et al. 2023, sec. 3.5), in the form of the published code. All unweighted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG16_BN_Weights
from torchvision.models.vgg import cfgs, make_layers

from colorzoo.metrics.frozen import Frozen, load_by_name, published_weights
from colorzoo.zoo.kang2023.network import MEAN, STD

VGG_URL = str(VGG16_BN_Weights.IMAGENET1K_V1.url)
_LAYERS = (0, 7, 14, 24, 34)  # conv1_1, conv2_1 ... conv5_1 of torchvision's ``features``
_LAYER_WEIGHTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
_GRAY = (0.2989, 0.587, 0.114)


class VGGFeatures(nn.Module):
    """VGG-16 with BatchNorm (the paper says VGG-16), seen before the BatchNorm of five layers."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.features = make_layers(cfgs["D"], batch_norm=True)[: _LAYERS[-1] + 1]

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Return the maps of RGB ``(B, 3, H, W)`` in [0, 1]."""
        x, maps = (rgb - self.mean) / self.std, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _LAYERS:
                maps.append(x)
        return maps


def frozen_vgg(weights: Mapping[str, Tensor] | None) -> Frozen:
    """Return the features with torchvision's weights, which torch hub keeps; or with random ones.

    Args:
        weights: torchvision's state dict; None for random ones.

    Raises:
        WeightsError: The weights do not fit.
    """
    network = VGGFeatures()
    if weights is not None:
        load_by_name(network, {key: key for key in network.state_dict()}, weights, "VGG-16")
    return Frozen(network)


def trained_vgg() -> Frozen:
    """Return the features with the weights of ImageNet, fetching them if they are not here.

    Raises:
        WeightsError: They are not here and cannot be had.
    """
    return frozen_vgg(published_weights(VGG_URL))


def perceptual(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return the weighted L1 distance of the five maps of `VGGFeatures`."""
    distances = [F.l1_loss(x, y) for x, y in zip(features, target, strict=True)]
    return torch.stack([w * each for w, each in zip(_LAYER_WEIGHTS, distances, strict=True)]).sum()


def colorfulness_of(rgb: Tensor) -> Tensor:
    """Return the colorfulness ``(B,)`` of RGB ``(B, 3, H, W)`` in [0, 1].

    Not that of Hasler and Suesstrunk, nor that of the measure: the opponent colors are taken absolute, on a
    scale of 1, with the unbiased variance.
    """
    red, green, blue = rgb.unbind(dim=1)
    opponents = torch.stack([(red - green).abs(), ((red + green) / 2 - blue).abs()], dim=1)
    deviation, mean = torch.std_mean(opponents.flatten(2), dim=2)
    # a norm of deviations, unlike the root of a sum of variances, has the gradient 0 for a gray picture
    spread: Tensor = torch.linalg.vector_norm(deviation, dim=1)
    offset: Tensor = torch.linalg.vector_norm(mean, dim=1)
    return spread + 0.3 * offset


def colorfulness_loss(rgb: Tensor) -> Tensor:
    """Return how far pictures are from a colorfulness of 1: the mean over the batch."""
    return (1 - colorfulness_of(rgb)).mean()


def saturate(rgb: Tensor, factor: float) -> Tensor:
    """Return RGB ``(B, 3, H, W)`` in [0, 1] farther from gray by a factor, clipped ("color enhance")."""
    gray = (rgb * rgb.new_tensor(_GRAY).view(3, 1, 1)).sum(dim=1, keepdim=True)
    return (factor * rgb + (1 - factor) * gray).clamp(0, 1)


def judged(scores: Tensor, real: bool) -> Tensor:
    """Return the binary cross-entropy of scores ``(B, n)`` to what the pictures are, or shall seem."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))
