"""Settings of Cho 2023 and its training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.tasks import Stage
from colorzoo.zoo.cho2023.losses import Smoothness


@dataclass(frozen=True)
class Architecture:
    """The three networks; widths multiply their channel counts, 1.0 is the paper's.

    Attributes:
        width: Of g, which paints.
        segmenter_width: Of f, which divides.
        discriminator_width: Of the discriminator.
    """

    width: float = 1.0
    segmenter_width: float = 1.0
    discriminator_width: float = 1.0


@dataclass(frozen=True)
class Objective:
    """The losses (section 3.4) and the temperature of the segments.

    Attributes:
        reconstruction_weight: Weight of the L1 loss.
        variance_weight: Weight of the color variance within segments, which reaches f alone.
        smoothness_weight: Weight of the differences between neighboring logits.
        adversarial_weight: Weight of the adversarial loss; 0 trains no discriminator.
        smoothness_form: See `colorzoo.zoo.cho2023.losses.smoothness`.
        initial_temperature: Of the Gumbel softmax at the start.
        final_temperature: To which it falls exponentially.
    """

    reconstruction_weight: float = 30.0
    variance_weight: float = 5.0
    smoothness_weight: float = 1.0
    adversarial_weight: float = 0.2
    smoothness_form: Smoothness = "eight_l1"
    initial_temperature: float = 1.0
    final_temperature: float = 0.1

    def weight(self, term: str) -> float:
        """Return the weight of a loss by its name, such as ``"variance"``."""
        return float(getattr(self, f"{term}_weight"))


@dataclass(frozen=True)
class Users:
    """The simulated users of training (section 3.3).

    Attributes:
        stop_probability: Probability that a user stops before each region; mean 6.9 regions.
    """

    stop_probability: float = 1 / 8


STAGES = {
    "both": Stage(),
    "painter": Stage(leaves=("network.segmenter.*",)),  # ours: g alone learns to paint what f proposes
}
