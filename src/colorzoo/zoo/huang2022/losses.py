"""Losses of Chroma-VQGAN: distances of pixels and of features, codes, and a patch discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchvision.models import VGG16_Weights

from colorzoo.metrics.feature_networks import load_by_name, published_weights
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.imagenet import outputs_of, vgg_layers
from colorzoo.settings import Count, Weight
from colorzoo.weights import load_state_dict_file

_TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}
"""Channels after the last ReLU of each block of VGG-16, by the number of the layer."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TINY = 1e-6
_DEVIATION = 0.02


@dataclass(frozen=True)
class VQGANObjective:
    """Settings of the loss of Chroma-VQGAN; the L1 distance has weight 1.

    Attributes:
        perceptual_weight: Weight of LPIPS; 0 needs no VGG-16.
        codebook_weight: Weight of the distance of codes and features.
        adversarial_weight: Weight of the discriminator's judgment.
        disc_start: Steps after which the discriminator counts and is trained: 6001 for ImageNet, 5001 for
            COCO.
    """

    perceptual_weight: Weight = 1.0
    codebook_weight: Weight = 1.0
    adversarial_weight: Weight = 0.8
    disc_start: Count = 6001


class LPIPS(nn.Module):
    """LPIPS over VGG-16 as in taming-transformers; a root of a sum keeps the length of features from 0."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_layers(16, max(_TAPS) + 1)
        self.linear = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in _TAPS.values()])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1))

    def forward(self, rgb: Tensor, target: Tensor) -> Tensor:
        """Return the terms ``(B, 5)`` of the distance of pictures ``(B, 3, H, W)`` in [-1, 1]."""
        pairs = zip(self.linear, self.taps(rgb), self.taps(target), strict=True)
        terms = [linear((_unit(a) - _unit(b)).square()).mean(dim=(1, 2, 3)) for linear, a, b in pairs]
        return torch.stack(terms, dim=1)

    def normalized(self, rgb: Tensor) -> Tensor:
        """Return the input of VGG-16."""
        return (rgb - self.shift) / self.scale

    def taps(self, rgb: Tensor) -> list[Tensor]:
        """Return five maps of pictures in [-1, 1]."""
        return outputs_of(self.features, self.normalized(rgb), _TAPS)

    def load(self, vgg: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        """Load torchvision's VGG-16 and the linear layers of LPIPS.

        Raises:
            WeightsError: A name is missing, or a shape does not fit.
        """
        names = {key: f"features.{key}" for key in self.features.state_dict()}
        load_by_name(self.features, names, vgg, "the VGG-16 of LPIPS")
        names = {f"{index}.weight": f"lin{index}.model.1.weight" for index in range(len(self.linear))}
        load_by_name(self.linear, names, linear, "the linear layers of LPIPS")


def published_lpips() -> LPIPS:
    """Return LPIPS with torchvision's VGG-16, fetched once, and the linear layers that torchmetrics ships.

    Raises:
        WeightsError: They are not available.
    """
    network = LPIPS()
    shipped = Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "vgg.pth"
    network.load(published_weights(str(VGG16_Weights.IMAGENET1K_V1.url)), load_state_dict_file(shipped))
    return network


def patch_discriminator(width: float = 1.0) -> PatchDiscriminator:
    """Return the discriminator as it is before training.

    Args:
        width: Multiplier of its channel counts; 1.0 is published.
    """
    discriminator = PatchDiscriminator(3, width)
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=_DEVIATION)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=_DEVIATION)
    return discriminator


def generator_terms(
    rgb: Tensor, target: Tensor, codebook: Tensor, lpips: nn.Module | None, discriminator: nn.Module
) -> dict[str, Tensor]:
    """Return the unweighted losses of the autoencoder.

    Args:
        rgb: Reconstruction ``(B, 3, H, W)``.
        target: Truth in [-1, 1].
        codebook: Loss of the codes.
        lpips: `LPIPS`; None leaves it out.
        discriminator: Scores patches.
    """
    terms = {"pixel": F.l1_loss(rgb, target), "codebook": codebook}
    if lpips is not None:
        terms["perceptual"] = lpips(rgb, target).sum(dim=1).mean()
    terms["adversarial"] = F.relu(1 - discriminator(rgb)).mean()
    return terms


def generator_total(terms: Mapping[str, Tensor], objective: VQGANObjective, step: int) -> Tensor:
    """Return the weighted sum of `generator_terms` at a step of the training."""
    total = terms["pixel"] + objective.codebook_weight * terms["codebook"]
    if "perceptual" in terms:
        total = total + objective.perceptual_weight * terms["perceptual"]
    return total + objective.adversarial_weight * judged(objective, step) * terms["adversarial"]


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss of the discriminator from its scores of true pictures and of reconstructions."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def judged(objective: VQGANObjective, step: int) -> float:
    """Return 1 if the discriminator counts at a step, else 0."""
    return float(step >= objective.disc_start)


def _unit(features: Tensor) -> Tensor:
    length = (features.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
    return features / (length + _TINY)
