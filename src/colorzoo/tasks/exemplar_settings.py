"""Settings that exemplar models share; no Lightning, as a model that only colors reads them too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ExemplarObjective:
    """Weights of the losses; the defaults are SPColor's (section IV-A).

    Attributes:
        l1_weight: L1 of self-referenced pictures.
        perceptual_weight: Squared distance of the deepest features from those of the truth.
        semantic: Weigh it by 1 - similarity (SMP, eq. 12); false is the plain perceptual loss of Zhang et
            al. 2019 and of the ablation in Table II.
        smooth_weight: Edge-aware smoothness.
        smooth_alpha: Its squared Lab distance.
        adversarial_weight: Relativistic adversarial loss.
        contextual_weight: Contextual loss to the reference; in SPColor's code, but not in its paper.
    """

    l1_weight: float = 2.0
    perceptual_weight: float = 0.01
    semantic: bool = True
    smooth_weight: float = 2.0
    smooth_alpha: float = 2.0
    adversarial_weight: float = 0.4
    contextual_weight: float = 0.0


@dataclass(frozen=True)
class ExemplarDiscriminator:
    """The discriminator.

    Attributes:
        discriminator_width: Multiplier of its channel counts; 1.0 is the published network.
        discriminator_layers: Its strided convolutions; the published 6 need 192 pixels, 4 need 48.
    """

    discriminator_width: float = 1.0
    discriminator_layers: int = 6


@dataclass(frozen=True)
class ExemplarExtensions:
    """What the compact models add to the papers; all off in the papers' models.

    Attributes:
        gated: Add a share of the warped colors, which the color network chooses: its normalization forgets
            how strong colors are, which a narrow network learns late.
        unrelated: What places without a match are given: ``zero`` as in the papers, or the ``automatic``
            colors of the model whose features are borrowed.
        truth_weight: Weight of the L1 to the truth of all pictures.
        warp_weight: Weight of the L1 of the warped colors of self-referenced pictures.
    """

    gated: bool = False
    unrelated: Literal["zero", "automatic"] = "zero"
    truth_weight: float = 0.0
    warp_weight: float = 0.0
