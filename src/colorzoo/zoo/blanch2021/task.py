"""Training of XCNET (Gorriz Blanch et al., MMSP 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, total_variation
from colorzoo.losses.statistics import chi_square_distance, soft_histogram
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, squashed
from colorzoo.precision import at_least_float32
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeFloat, PositiveInt, Range, Width
from colorzoo.training.exemplar import SelfReferenced, references_of
from colorzoo.training.gan import DiscriminatorFirst
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.perceptual import load_vgg19
from colorzoo.zoo.blanch2021.model import STRIDE, AttentionStylization

_SCALES = 4
_SMALLEST_JUDGED = 24  # pixels; smaller images are below the receptive field of the discriminator


@dataclass(frozen=True, kw_only=True)
class ScaledPrediction(AbPrediction):
    """Prediction for a training batch, with the other inputs of the losses.

    Each list contains images in scaled Lab (L / 50 - 1 and ab / 110) at full, 1/2, 1/4 and 1/8 scale.

    Attributes:
        generated: True L with predicted ab, each ``(B, 3, h, w)``.
        truth: Ground truth, each ``(B, 3, h, w)``.
        reference: References, each ``(B, 3, h, w)``.
    """

    generated: list[Tensor]
    truth: list[Tensor]
    reference: list[Tensor]


class Blanch2021(SelfReferenced, DiscriminatorFirst[ScaledPrediction]):
    """Training task of `AttentionStylization` with one discriminator per output scale.

    Scales with an image side below 24 pixels have no discriminator. VGG-19 is frozen. The losses use scaled
    Lab (L / 50 - 1 and ab / 110). Each loss is summed over the four scales of the output: full, 1/2, 1/4 and
    1/8.

    Args:
        width: See `AttentionStylization`.
        side: See `AttentionStylization`.
        attention: See `AttentionStylization`.
        positions: See `AttentionStylization`.
        passes: See `AttentionStylization`.
        histogram_weight: Weight of the chi-square distance between the color histograms of output and
            reference.
        pixel_weight: Weight of the smooth L1 loss between output and ground truth.
        variation_weight: Weight of the total variation of the output.
        adversarial_weight: Weight of the least-squares adversarial loss; 0 disables the discriminators.
        discriminator_width: Multiplier for the channel counts of the discriminators; 1.0 matches the paper.
        **optimization: See `AdversarialOptimization`.
    """

    model: AttentionStylization
    discriminator: nn.ModuleList

    def __init__(
        self,
        width: Width = 1.0,
        side: Annotated[int, Range(STRIDE, unit="pixels", step=STRIDE)] = 224,
        attention: Literal["axial", "full"] = "axial",
        positions: bool = True,
        passes: PositiveInt = 2,
        histogram_weight: NonNegativeFloat = 2.0,
        pixel_weight: NonNegativeFloat = 100.0,
        variation_weight: NonNegativeFloat = 50.0,
        adversarial_weight: NonNegativeFloat = 1.0,
        discriminator_width: Width = 1.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(AttentionStylization(width, side, attention, positions, passes), **optimization)
        sides = [side >> scale for scale in range(_SCALES)]
        self.discriminator = nn.ModuleList(
            PatchDiscriminator(3, discriminator_width) for side in sides if side >= _SMALLEST_JUDGED
        )

    def is_adversarial(self) -> bool:
        """Return whether the adversarial loss is enabled and a discriminator exists."""
        return super().is_adversarial() and len(self.discriminator) > 0

    def prepare_fit(self) -> None:
        """Load torchvision's VGG-19 weights if the network is untrained.

        Raises:
            WeightsError: The weights are not available, and `allow_untrained` is not set.
        """
        super().prepare_fit()
        full = self.hparams["width"] == 1.0  # a narrow network has no published weights
        if full and not (self.trained or self.allow_untrained):
            load_vgg19(self.model.network.features)

    def generate(self, batch: Batch) -> ScaledPrediction:
        """Resize a training batch to the network input size and colorize it with its references."""
        exemplars, _ = references_of(batch)
        rgb = squashed(batch["rgb"], self.model.side)
        reference = squashed(exemplars.rgb, self.model.side)
        prediction = self.model(rgb_to_lab(rgb)[:, :1], Guidance(exemplar=Exemplar(reference)))
        return self.scaled_prediction(prediction.extras.values(), scaled_lab(rgb), scaled_lab(reference))

    def scaled_prediction(self, maps: Iterable[Tensor], truth: Tensor, reference: Tensor) -> ScaledPrediction:
        """Combine the network's output with the ground truth and the references at four scales.

        Args:
            maps: ab / 110 at full, 1/2, 1/4 and 1/8 scale, each ``(B, 2, h, w)``.
            truth: Ground truth ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.
            reference: References ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.
        """
        maps = [at_least_float32(each) for each in maps]
        truths, references = _pyramid(truth), _pyramid(reference)
        generated = [torch.cat([lab[:, :1], ab], dim=1) for lab, ab in zip(truths, maps, strict=True)]
        return ScaledPrediction(
            ab=AB_SCALE * maps[0], generated=generated, truth=truths, reference=references
        )

    def generator_terms(self, batch: Batch, generated: ScaledPrediction) -> dict[str, Tensor]:
        """Return the generator losses by name, without their weights: sums over the scales."""
        return {name: torch.stack(each).sum() for name, each in self.losses(generated).items()}

    def losses(self, generated: ScaledPrediction) -> dict[str, list[Tensor]]:
        """Return a dict that maps loss names to unweighted losses, one loss for each scale."""
        terms: dict[str, list[Tensor]] = {"histogram": [], "pixel": [], "variation": []}
        levels = zip(generated.generated, generated.truth, generated.reference, strict=True)
        for lab, truth, reference in levels:
            histogram, reference_histogram = soft_histogram(lab[:, 1:]), soft_histogram(reference[:, 1:])
            terms["histogram"].append(chi_square_distance(histogram, reference_histogram).mean())
            terms["pixel"].append(F.smooth_l1_loss(lab, truth))
            terms["variation"].append(total_variation(lab))
        if self.is_adversarial():
            terms["adversarial"] = [least_squares_loss(each) for each in self.judge(generated.generated)]
        return terms

    def discriminator_loss(self, batch: Batch, generated: ScaledPrediction) -> Tensor:
        """Return the sum of the losses of all discriminators."""
        return torch.stack(self.discriminator_losses(generated)).sum()

    def discriminator_losses(self, generated: ScaledPrediction) -> list[Tensor]:
        """Return the least-squares loss of each discriminator.

        Gradients do not flow to the generator.
        """
        scores = self.judge([lab.detach() for lab in generated.generated]), self.judge(generated.truth)
        return [least_squares_discriminator_loss(*pair) for pair in zip(*scores, strict=True)]

    def judge(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the scores of each discriminator for images at its scale, finest scale first.

        Args:
            levels: Images in scaled Lab at full, 1/2, 1/4 and 1/8 scale; scales without a discriminator are
                ignored.
        """
        return [
            at_least_float32(discriminator(lab))
            for discriminator, lab in zip(self.discriminator, levels, strict=False)
        ]


def _pyramid(lab: Tensor) -> list[Tensor]:
    """Return an image and its average-pooled versions at 1/2, 1/4 and 1/8 scale."""
    levels = [lab]
    while len(levels) < _SCALES:
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels
