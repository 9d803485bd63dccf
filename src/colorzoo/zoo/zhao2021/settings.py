"""Settings of Zhao et al. 2021, as the authors' code has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """The color encoder and the U-Net.

    Attributes:
        width: Multiplier of every channel count and of the color vector; 1.0 is the published network.
        reference_side: Side of the square to which references are squashed before they are encoded. The
            borders of the encoder's padded convolutions are part of what it learns, so this belongs to the
            weights.
    """

    width: float = 1.0
    reference_side: int = 256


@dataclass(frozen=True)
class Objective:
    """The loss.

    Attributes:
        perceptual_weight: Weight of the distance of features from those of the true picture, beside the
            smooth L1 of ab / 110.
    """

    perceptual_weight: float = 0.1
