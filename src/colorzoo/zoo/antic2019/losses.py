"""The losses of DeOldify, on RGB normalized as ImageNet's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

_TAPS = (22, 32, 42)  # relu3_3, relu4_3, relu5_3


class VGGFeatures(nn.Module):
    """torchvision's VGG-16 with BatchNorm up to relu5_3, under its names.

    Its inputs are normalized already.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = make_layers(cfgs["D"], batch_norm=True)

    def forward(self, normalized: Tensor) -> list[Tensor]:
        """Return relu3_3, relu4_3 and relu5_3 of ``(B, 3, H, W)``."""
        x, taps = normalized, []
        for index, layer in enumerate(self.features[: _TAPS[-1] + 1]):
            x = layer(x)
            if index in _TAPS:
                taps.append(x)
        return taps


def content_terms(
    painted: Tensor, truth: Tensor, vgg: nn.Module | None, weights: tuple[float, float, float]
) -> list[Tensor]:
    """Return L1 of pixels and the weighted L1 of three layers; their sum is the author's FeatureLoss.

    Args:
        painted: ``(B, 3, H, W)`` normalized.
        truth: The same size; no gradient reaches it.
        vgg: Gives the maps; None leaves their terms out.
        weights: Of the layers.
    """
    terms = [F.l1_loss(painted, truth)]
    if vgg is not None:
        with torch.no_grad():
            wanted = vgg(truth)
        for weight, found, other in zip(weights, vgg(painted), wanted, strict=True):
            terms.append(weight * F.l1_loss(found.float(), other.float()))
    return terms


def deception(fake: Tensor) -> Tensor:
    """Return the cross-entropy of the generator: how far scores of its pictures are from those of photos."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def detection(fake: Tensor, real: Tensor) -> Tensor:
    """Return the cross-entropy of the critic, over scores of painted and of true pictures."""
    missed = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return 0.5 * (deception(real) + missed)
