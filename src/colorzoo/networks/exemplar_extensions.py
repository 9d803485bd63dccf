"""Extensions of exemplar models that are not in the papers: gated warped colors and automatic colors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.exemplar import AB_RANGE, ColorNet, Warped, unmatched
from colorzoo.networks.exemplar_features import TrunkFeatures
from colorzoo.networks.matching import STRIDE

_OPEN = 2.0  # initial gate bias; sigmoid(2) is nearly open


@dataclass(frozen=True)
class ExemplarExtensions:
    """Optional extensions of exemplar models; the published models use none of them.

    Attributes:
        gated: Whether to add the warped colors, multiplied by a learned gate, to the output. Without the
            gate, instance normalization discards the chroma magnitude of the warped colors.
        unrelated: Colors of positions without a match. ``zero`` sets ab to 0, as in the papers. ``automatic``
            uses the colors that the feature model (the automatic colorization model that computes the
            features) predicts without a reference.
        truth_weight: Weight of the L1 distance between predicted and true colors.
        warp_weight: Weight of the L1 distance between warped and true colors, for images whose reference is
            an augmented copy.
    """

    gated: bool = False
    unrelated: Literal["zero", "automatic"] = "zero"
    truth_weight: float = 0.0
    warp_weight: float = 0.0


class GatedColorNet(ColorNet):
    """Color network that adds the warped colors, multiplied by a predicted gate, to its output.

    The first two input channels are the warped colors.
    """

    outputs = 3

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in CIE units for ``(B, in_channels, H, W)``."""
        output = self.raw(x)
        ab = AB_RANGE * torch.tanh(output[:, :2])
        gate = torch.sigmoid(output[:, 2:] + _OPEN)
        warped = F.interpolate(x[:, :2, ::STRIDE, ::STRIDE], scale_factor=STRIDE, mode="bilinear")
        return ab.float() + gate.float() * warped


def color_net(in_channels: int, width: float, extensions: ExemplarExtensions) -> ColorNet:
    """Return the color network, with a gate if ``extensions`` sets it; see `ColorNet` for the arguments."""
    return (GatedColorNet if extensions.gated else ColorNet)(in_channels, width)


def unmatched_automatic(features: TrunkFeatures) -> Warped:
    """Return a `Warped` without matches, like `unmatched`, with the colors of an automatic model."""
    return fill_automatic(unmatched(features), features)


def fill_automatic(warped: Warped, features: TrunkFeatures) -> Warped:
    """Fill positions without a match with colors of an automatic colorization model.

    Args:
        warped: Colors warped from the reference.
        features: Features of the images; without predicted colors, ``warped`` is not changed.
    """
    if features.automatic is None:
        return warped
    automatic = F.avg_pool2d(features.automatic, STRIDE)
    return warped._replace(ab=torch.where(warped.matched, warped.ab, automatic))
