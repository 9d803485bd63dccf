"""The Local Hints network trained against a discriminator as well (not in the paper).

The network is that of `Zhang2017Local`, and so are its weights; `colorzoo weights pack` leaves the
discriminator out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.draws import picture_generators
from colorzoo.guidance import Guidance, PointSimulation, simulate_points
from colorzoo.losses import smooth_l1_map
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.patchgan import PatchDiscriminator
from colorzoo.tasks import GANColorizationModule, Prediction
from colorzoo.tasks.optimizers import Schedule
from colorzoo.zoo.zhang2017.network import LocalHintsNetwork
from colorzoo.zoo.zhang2017.task import (
    VALIDATION_POINTS,
    color,
    strided_cross_entropy,
    validation_points,
)


class Zhang2017LocalAdversarial(GANColorizationModule):
    """Local Hints with an adversarial loss: least squares, PatchGAN on lightness and ab.

    Args:
        width: Multiplier of the channel counts of the network.
        mask_center: See `Zhang2017Local`.
        hint_attention: See `Zhang2017Local`.
        discriminator_width: Multiplier of the channel counts of the discriminator.
        adversarial_weight: Weight of the adversarial loss of the generator.
        regression_weight: Weight of the smooth-l1 loss, mean over pixels, in CIE units.
        classification_weight: Weight of the cross-entropy.
        delta: Where smooth-l1 turns linear, in CIE units.
        class_stride: Train the distribution on every n-th of its positions.
        hints: Share of the training pictures that get points at all.
        stop_probability: See `PointSimulation`.
        many: See `PointSimulation`.
        init_std: Deviation of the initial weights; None takes He's.
        lr: Rate of the network.
        discriminator_lr: Rate of the discriminator.
        betas: Decays of Adam's moments.
        schedule: How both rates move, in epochs.
        milestones: Epochs at which ``multistep`` divides the rates by ten.
        accumulate: Batches per step.
        clip: Largest norm of a gradient; 0 for none.
    """

    accepts = frozenset({"points"})
    network: LocalHintsNetwork

    def __init__(
        self,
        width: float = 1.0,
        mask_center: float = 0.0,
        hint_attention: bool = False,
        discriminator_width: float = 1.0,
        adversarial_weight: float = 0.02,
        regression_weight: float = 10 / 110,
        classification_weight: float = 1.0,
        delta: float = 1.0,
        class_stride: int = 1,
        hints: float = 1.0,
        stop_probability: float = 1 / 8,
        many: float = 0.0,
        init_std: float | None = 0.02,
        lr: float = 1e-5,
        discriminator_lr: float = 1e-4,
        betas: Sequence[float] = (0.5, 0.999),
        schedule: Schedule = "constant",
        milestones: Sequence[int] = (),
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build the U-Net."""
        hp: Any = self.hparams
        self.network = LocalHintsNetwork(
            hp.width, mask_center=hp.mask_center, hint_attention=hp.hint_attention
        )
        initialize(self.network, hp.init_std)

    def configure_discriminator(self) -> None:
        """Build the PatchGAN."""
        self.discriminator = PatchDiscriminator(3, self.hparams.discriminator_width)

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch, as `Zhang2017Local` does."""
        return color(self.network, luma, guidance)

    def paint(self, batch: Batch) -> Prediction:
        """Color a training batch with simulated points."""
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        simulation = PointSimulation(hp.stop_probability, many=hp.many, none=1 - hp.hints)
        points = simulate_points(lab[:, 1:], picture_generators(batch["seed"], "points"), simulation)
        return self.forward(lab[:, :1], Guidance(points=points))

    def generator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return regression, classification, and how far the discriminator is from being deceived."""
        hp: Any = self.hparams
        assert painted.ab is not None
        lab = rgb_to_lab(batch["rgb"])
        regression = smooth_l1_map(painted.ab, lab[:, 1:], delta=hp.delta).mean()
        classification = strided_cross_entropy(painted.extras["logits"], lab[:, 1:], hp.class_stride)
        deceived = (self._judge(lab[:, :1], painted.ab) - 1).square().mean()
        loss: Tensor = (
            hp.regression_weight * regression
            + hp.classification_weight * classification
            + hp.adversarial_weight * deceived
        )
        return loss

    def discriminator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return the squared distance of the scores of true pictures from 1 and of painted ones from 0."""
        assert painted.ab is not None
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
