"""Extension of Larsson et al. that is not in the paper: color histograms of a reference.

The registered model `larsson2016` is a `ReferenceColorization`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Guidance
from colorzoo.zoo.larsson2016.model import HypercolumnColorization
from colorzoo.zoo.larsson2016.network import (
    BINS,
    QUARTER,
    Histograms,
    bins_of,
    chroma_of,
    hue_and_chroma,
)

_STEPS, _SMOOTHING = 20, 0.01
_GRAY = 0.01  # mean chroma of an image below which its hues have less weight


class ReferenceColorization(HypercolumnColorization):
    """Colorization by hue and chroma histograms, optionally matched to the histograms of a reference.

    The exemplar's ``alpha`` interpolates between the histograms of the image (0) and the exemplar (1).
    """

    accepts = frozenset({"exemplar"})

    def histograms(self, gray: Tensor, padding: tuple[int, int, int, int], guidance: Guidance) -> Histograms:
        """Predict histograms and match them to the exemplar, if the guidance has one."""
        predicted, exemplar = super().histograms(gray, padding, guidance), guidance.exemplar
        if exemplar is None:
            return predicted
        inside = F.avg_pool2d(F.pad(torch.ones_like(gray), padding), QUARTER)
        return like_reference(predicted, exemplar.embed_by(self.encode_reference), inside, exemplar.alpha)

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the global hue and chroma histograms ``(B, 2, 32)`` of RGB in [0, 1]."""
        return histograms_of(rgb.float())


def like_reference(predicted: Histograms, reference: Tensor, inside: Tensor, alpha: float) -> Histograms:
    """Change the image's mean histograms to the reference's histograms.

    In the mean hue histogram, positions are weighted by their chroma.

    Args:
        predicted: Predicted histograms of an image.
        reference: Output of `histograms_of` for the reference.
        inside: Fraction of each position that is inside the image, ``(B, 1, h, w)``.
        alpha: Strength of the reference; see `transfer`.
    """
    chroma = transfer(predicted.chroma, reference[:, 1], inside, alpha)
    weight = inside * chroma_of(chroma, "expectation")[:, None]
    return Histograms(transfer(predicted.hue, reference[:, 0], weight, alpha), chroma)


def histograms_of(rgb: Tensor) -> Tensor:
    """Return one hue histogram and one chroma histogram of each image.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        Histograms ``(B, 2, 32)``: hue, where each pixel is weighted by its chroma, and chroma. Each histogram
        sums to 1, except for hue histograms of almost gray images, which sum to less.
    """
    hue, chroma = hue_and_chroma(rgb)
    number = torch.arange(BINS, device=rgb.device).view(-1, 1, 1)
    colored = ((bins_of(hue)[:, None] == number) * chroma[:, None]).mean((2, 3))
    counted = (bins_of(chroma)[:, None] == number).to(rgb).mean((2, 3))
    return torch.stack([colored / colored.sum(1, keepdim=True).clamp(min=_GRAY), counted], dim=1)


def transfer(histograms: Tensor, target: Tensor, weight: Tensor, alpha: float = 1.0) -> Tensor:
    """Reweight the bins of predicted histograms so that the image's mean matches a target.

    Each bin has one factor for all positions, computed by iterative proportional fitting (Deming and Stephan
    1940). The factors are equivalent to a bias on the logits.

    Args:
        histograms: Predicted hue or chroma histograms ``(B, 32, H, W)``.
        target: Target histogram ``(B, 32)``; zeros leave the histograms unchanged.
        weight: Weight of each position in the mean histogram, ``(B, 1, H, W)``.
        alpha: Exponent of the factors: 0 leaves the histograms unchanged, 1 matches the target.

    Returns:
        Reweighted histograms ``(B, 32, H, W)``.
    """
    weight = weight / weight.sum((2, 3), keepdim=True).clamp(min=1e-12)

    def image_mean(maps: Tensor) -> Tensor:
        return (maps * weight).sum((2, 3), keepdim=True)

    predicted_mean = image_mean(histograms)  # (B, 32, 1, 1)
    smoothed = target[:, :, None, None] + _SMOOTHING * predicted_mean  # positive in empty target bins
    target_mean = smoothed / smoothed.sum(1, keepdim=True)
    factors = torch.ones_like(predicted_mean)
    for _ in range(_STEPS):
        current_mean = image_mean(_normalized(histograms * factors)).clamp(min=1e-12)
        factors = factors * target_mean / current_mean
    return _normalized(histograms * factors**alpha)


def _normalized(histograms: Tensor) -> Tensor:
    return histograms / histograms.sum(1, keepdim=True).clamp(min=1e-12)
