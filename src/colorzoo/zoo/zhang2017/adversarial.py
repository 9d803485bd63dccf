"""Training of Local Hints against a discriminator as well (not in the paper)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.hint_unet import AB_SCALE
from colorzoo.prediction import AbPrediction
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.zhang2017.extensions import LocalExtensions
from colorzoo.zoo.zhang2017.model import LocalArchitecture, LocalHints
from colorzoo.zoo.zhang2017.task import (
    LocalObjective,
    LocalUsers,
    Zhang2017Local,
    strided_cross_entropy,
    training_points,
)


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings of the adversarial loss.

    Attributes:
        discriminator_width: Multiplier of the discriminator's channel counts.
        adversarial_weight: Weight of the adversarial loss of the generator.
    """

    discriminator_width: float = 1.0
    adversarial_weight: float = 0.02


class Zhang2017LocalAdversarial(GANColorizationModule[AbPrediction]):
    """Task of `LocalHints` with an adversarial loss: least squares, PatchGAN on lightness and ab.

    Args:
        architecture: See `Zhang2017Local`.
        objective: See `Zhang2017Local`.
        users: See `Zhang2017Local`.
        extensions: See `Zhang2017Local`.
        adversary: The discriminator.
        **optimization: See `AdversarialOptimization`.
    """

    validation_points = Zhang2017Local.validation_points
    model: LocalHints
    objective: LocalObjective
    users: LocalUsers
    extensions: LocalExtensions
    adversary: AdversarialSettings

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        objective: LocalObjective = LocalObjective(),
        users: LocalUsers = LocalUsers(),
        extensions: LocalExtensions = LocalExtensions(),
        adversary: AdversarialSettings = AdversarialSettings(),
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(LocalHints(architecture, extensions), **optimization)

    def configure_discriminator(self) -> None:
        """Build the PatchGAN."""
        self.discriminator = PatchDiscriminator(3, self.adversary.discriminator_width)

    def paint(self, batch: Batch) -> AbPrediction:
        """Color a training batch with simulated points."""
        lab = rgb_to_lab(batch["rgb"])
        points = training_points(self.users, self.extensions, lab[:, 1:], batch)
        return self.model.forward(lab[:, :1], Guidance(points=points))

    def generator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return the weighted sum of regression, classification and adversarial loss."""
        weigh, ours = self.objective, self.extensions
        lab = rgb_to_lab(batch["rgb"])
        errors = smooth_l1_map(painted.ab, lab[:, 1:], delta=weigh.delta)
        regression = weighted_by_chroma(errors, lab[:, 1:], ours.colorfulness).mean()
        classification = strided_cross_entropy(painted.extras["logits"], lab[:, 1:], ours.class_stride)
        adversarial = (self._scores(lab[:, :1], painted.ab) - 1).square().mean()
        loss: Tensor = (
            weigh.regression_weight * regression
            + weigh.classification_weight * classification
            + self.adversary.adversarial_weight * adversarial
        )
        return loss

    def discriminator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return the squared distance of the scores of true pictures from 1 and of painted ones from 0."""
        lab = rgb_to_lab(batch["rgb"])
        true = (self._scores(lab[:, :1], lab[:, 1:]) - 1).square().mean()
        return 0.5 * (true + self._scores(lab[:, :1], painted.ab).square().mean())

    def _scores(self, lightness: Tensor, ab: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([lightness / 50 - 1, ab / AB_SCALE], dim=1))
        return scores
