"""Training of Gray2ColorNet (Lu et al., ACM MM 2020).

The authors publish no training code. The losses are those of compiled files in their repository, weights and
rates those of a re-implementation by others; the model's page says which is which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.losses import (
    chi_square_distance,
    least_squares_critic_loss,
    least_squares_loss,
    soft_histogram,
    total_variation,
    weighted_sum,
)
from colorzoo.networks.blocks import InstanceNorm, scaled_width
from colorzoo.networks.scaling import AB_SCALE, scaled_lab
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Weight, Width
from colorzoo.training.exemplar import SelfReferenced, references_of
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.lu2020.model import GatedTransfer
from colorzoo.zoo.lu2020.network import Architecture, Colored, Reference

StageName = Literal["body"]
STAGES: Mapping[str, Stage] = {
    "body": Stage(
        (
            "discriminator.*",
            *(f"model.network.{part}.*" for part in ("body", "levels", "heads", "classifier")),
        )
    )
}
_SLOPE = 0.2
_TINY = 2.22e-16


@dataclass(frozen=True)
class Objective:
    """Settings of the losses.

    Attributes:
        pixel_weight: Weight of the smooth L1 distance of ab / 110, summed over the three sizes.
        histogram_weight: Weight of the distance of the color histogram from that of the reference.
        variation_weight: Weight of the total variation of ab / 110.
        class_weight: Weight of the cross-entropy of the picture's class; 0 needs no labels.
        adversarial_weight: Weight of the least-squares adversarial loss; 0 trains no discriminator.
    """

    pixel_weight: Weight = 1000.0
    histogram_weight: Weight = 1.0
    variation_weight: Weight = 10.0
    class_weight: Weight = 1.0
    adversarial_weight: Weight = 0.1


@dataclass(frozen=True)
class Adversary:
    """Settings of the discriminator.

    Attributes:
        discriminator_width: Multiplier of its channel counts; 1.0 is published.
    """

    discriminator_width: Width = 1.0


@dataclass(frozen=True, kw_only=True)
class GatedPrediction(AbPrediction):
    """A colored training batch with the inputs of its losses.

    Attributes:
        found: Output of the network.
        truth: ``(B, 3, H, W)``, L / 50 - 1 and ab / 110 of the pictures.
        reference: The references; None in the stage ``body``.
    """

    found: Colored
    truth: Tensor
    reference: Reference | None


class Lu2020(SelfReferenced, GANColorizationModule[GatedPrediction]):
    """Task of `GatedTransfer`; the stage ``body`` trains it without references.

    Args:
        architecture: The network.
        objective: The losses.
        adversary: The discriminator.
        stage: ``"body"`` or None, which trains everything.
        **optimization: See `AdversarialOptimization`.
    """

    stages = STAGES
    model: GatedTransfer
    objective: Objective
    adversary: Adversary
    label_setting = "--model.architecture.classes"

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        adversary: Adversary = Adversary(),
        stage: StageName | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(GatedTransfer(architecture), stage=stage, **optimization)
        if not self.objective.class_weight:
            self.model.network.classifier.requires_grad_(False)  # several processes would wait for it

    def configure_discriminator(self) -> None:
        """Build the discriminator of L / 50 - 1 and ab / 110."""
        self.discriminator = discriminator(self.adversary.discriminator_width)

    @property
    def label_count(self) -> int:
        """Number of classes that are learned."""
        return self.model.architecture.classes if self.objective.class_weight else 0

    def is_adversarial(self) -> bool:
        """Return whether the adversarial loss has a weight."""
        return self.objective.adversarial_weight > 0

    def paint(self, batch: Batch) -> GatedPrediction:
        """Color a batch, in the stage ``body`` without references."""
        truth = scaled_lab(batch["rgb"])
        reference = None if self.stage == "body" else self.model.read(references_of(batch)[0].rgb)
        height, width = truth.shape[-2:]
        found = self.model.paint(50 * (truth[:, :1] + 1), reference)
        ab = found.ab[2][:, :, :height, :width]
        return GatedPrediction(ab=AB_SCALE * ab, found=found, truth=truth, reference=reference)

    def generator_loss(self, batch: Batch, painted: GatedPrediction) -> Tensor:
        """Return the weighted sum of the losses."""
        terms = self.losses(painted, batch["label"] if self.objective.class_weight else None)
        self.log_losses(terms, len(painted.truth))
        return weighted_sum(terms, self.objective)

    def losses(self, painted: GatedPrediction, label: Tensor | None) -> dict[str, Tensor]:
        """Return the losses by name, unweighted.

        Args:
            painted: The colored batch.
            label: ``(B,)`` classes, or None.
        """
        truth, ab = painted.truth, painted.ab / AB_SCALE
        sizes = [each.shape[-2:] for each in painted.found.ab[:2]]
        wanted = [F.interpolate(truth[:, 1:], size=size, mode="area") for size in sizes]
        pairs = zip([*painted.found.ab[:2], ab], [*wanted, truth[:, 1:]], strict=True)
        terms = {
            "pixel": torch.stack([F.smooth_l1_loss(*pair) for pair in pairs]).sum(),
            "variation": total_variation(ab),
        }
        if painted.reference is not None:
            histogram = soft_histogram(ab).flatten(1)
            distance = chi_square_distance(histogram, painted.reference.histogram, epsilon=_TINY)
            terms["histogram"] = distance.mean()
        if label is not None:
            terms["class"] = F.cross_entropy(painted.found.logits.float(), label)
        if self.is_adversarial():
            fake = torch.cat([truth[:, :1], ab], dim=1)
            terms["adversarial"] = least_squares_loss(self.discriminator(fake).float())
        return terms

    def discriminator_loss(self, batch: Batch, painted: GatedPrediction) -> Tensor:
        """Return the least-squares loss of the discriminator."""
        fake = torch.cat([painted.truth[:, :1], painted.ab.detach() / AB_SCALE], dim=1)
        scores = [self.discriminator(each).float() for each in (fake, painted.truth)]
        return least_squares_critic_loss(*scores)


def discriminator(width: float = 1.0) -> nn.Sequential:
    """Return a PatchGAN with a first layer of 1 x 1 and instance normalization, for ``(B, 3, H, W)``.

    Args:
        width: Multiplier of every channel count; 1.0 is published.
    """
    c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
    layers: list[nn.Module] = [nn.Conv2d(3, c32, 1), nn.LeakyReLU(_SLOPE)]
    for fan_in, fan_out, stride in ((c32, c64, 2), (c64, c128, 2), (c128, c256, 2), (c256, c512, 1)):
        convolution = nn.Conv2d(fan_in, fan_out, 4, stride=stride, padding=1)
        layers += [convolution, InstanceNorm(), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers, nn.Conv2d(c512, 1, 4, padding=1))
