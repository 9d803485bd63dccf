"""The Local Hints network trained against a discriminator as well (not in the paper).

The network is that of `Zhang2017Local`, and so are its weights; `colorzoo weights pack` leaves the
discriminator out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.patchgan import PatchDiscriminator
from colorzoo.tasks import AbPrediction, GANColorizationModule, settings_of
from colorzoo.zoo.zhang2017.extensions import LocalExtensions
from colorzoo.zoo.zhang2017.inference import build_local, color_by_points
from colorzoo.zoo.zhang2017.network import LocalHintsNetwork
from colorzoo.zoo.zhang2017.settings import LocalArchitecture, LocalObjective, LocalUsers
from colorzoo.zoo.zhang2017.task import (
    VALIDATION_POINTS,
    strided_cross_entropy,
    training_points,
    validation_points,
)


@dataclass(frozen=True)
class AdversarialSettings:
    """The discriminator.

    Attributes:
        discriminator_width: Multiplier of its channel counts.
        adversarial_weight: Weight of the adversarial loss of the generator.
    """

    discriminator_width: float = 1.0
    adversarial_weight: float = 0.02


class Zhang2017LocalAdversarial(GANColorizationModule[AbPrediction]):
    """Local Hints with an adversarial loss: least squares, PatchGAN on lightness and ab.

    Args:
        architecture: See `Zhang2017Local`.
        objective: See `Zhang2017Local`.
        users: See `Zhang2017Local`.
        extensions: See `Zhang2017Local`.
        adversary: The discriminator.
        optimizer: See `GANColorizationModule`.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches for each step.
        clip: Largest norm of a gradient; 0 for none.

    Raises:
        ColorzooError: ``regress_every`` is not 1: the discriminator judges every picture.
    """

    accepts = frozenset({"points"})
    network: LocalHintsNetwork

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        objective: LocalObjective = LocalObjective(),
        users: LocalUsers = LocalUsers(),
        extensions: LocalExtensions = LocalExtensions(),
        adversary: AdversarialSettings = AdversarialSettings(),
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(LocalArchitecture, architecture)
        self.objective = settings_of(LocalObjective, objective)
        self.users = settings_of(LocalUsers, users)
        self.extensions = settings_of(LocalExtensions, extensions)
        if self.extensions.regress_every != 1:
            raise ColorzooError("regress_every must be 1: the discriminator judges every picture.")
        self.adversary = settings_of(AdversarialSettings, adversary)
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
        )

    def configure_network(self) -> None:
        """Build the U-Net."""
        self.network = build_local(self.architecture, self.extensions)

    def configure_discriminator(self) -> None:
        """Build the PatchGAN."""
        self.discriminator = PatchDiscriminator(3, self.adversary.discriminator_width)

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch, as `Zhang2017Local` does."""
        return color_by_points(self.network, luma, guidance)

    def paint(self, batch: Batch) -> AbPrediction:
        """Color a training batch with simulated points."""
        lab = rgb_to_lab(batch["rgb"])
        points = training_points(self.users, self.extensions, lab[:, 1:], batch)
        return self.forward(lab[:, :1], Guidance(points=points))

    def generator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return regression, classification, and how far the discriminator is from being deceived."""
        weigh, ours = self.objective, self.extensions
        lab = rgb_to_lab(batch["rgb"])
        errors = smooth_l1_map(painted.ab, lab[:, 1:], delta=weigh.delta)
        regression = weighted_by_chroma(errors, lab[:, 1:], ours.colorfulness).mean()
        classification = strided_cross_entropy(painted.extras["logits"], lab[:, 1:], ours.class_stride)
        deceived = (self._judge(lab[:, :1], painted.ab) - 1).square().mean()
        loss: Tensor = (
            weigh.regression_weight * regression
            + weigh.classification_weight * classification
            + self.adversary.adversarial_weight * deceived
        )
        return loss

    def discriminator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return the squared distance of the scores of true pictures from 1 and of painted ones from 0."""
        lab = rgb_to_lab(batch["rgb"])
        true = (self._judge(lab[:, :1], lab[:, 1:]) - 1).square().mean()
        return 0.5 * (true + self._judge(lab[:, :1], painted.ab).square().mean())

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Place the points of the paper's test."""
        return validation_points(setting, lab, seeds)

    def _judge(self, luma: Tensor, ab: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([luma / 50 - 1, ab / AB_SCALE], dim=1))
        return scores
