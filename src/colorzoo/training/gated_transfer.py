"""Training of models that transfer reference colors through learned gates at three scales.

The models are Gray2ColorNet (Lu et al. 2020) and its successor (Yin et al. 2021). The authors published no
training code; the model pages cite the sources of the losses and their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, total_variation
from colorzoo.losses.statistics import chi_square_distance, soft_histogram
from colorzoo.model import ColoringModel
from colorzoo.networks.discriminators import pixel_patch_discriminator
from colorzoo.networks.gated_transfer import Colored
from colorzoo.networks.scaling import AB_SCALE, scaled_lab
from colorzoo.prediction import AbPrediction
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization

_EPSILON = 2.22e-16  # machine epsilon of float64; prevents 0 / 0 for empty histogram bins


@dataclass(frozen=True, kw_only=True)
class GatedPrediction(AbPrediction):
    """Prediction for a training batch, with other inputs of the losses.

    Attributes:
        output: Output of the network: ab at three resolutions, and class logits.
        truth: ``(B, 3, H, W)`` ground truth with the channels L / 50 - 1, a / 110 and b / 110.
        histogram: ``(B, 441)`` ab histograms of the references over 21 x 21 bins; None without references.
    """

    output: Colored
    truth: Tensor
    histogram: Tensor | None


class GatedTransferModule(SelfReferenced, GANColorizationModule[GatedPrediction]):
    """Base class of tasks for gated color transfer.

    A subclass defines `read_references`, and its ``__init__`` has the loss weights as arguments; `Lu2020`
    documents them. The model is a `GatedColorization`, and its network has a ``classifier``.
    """

    model: Any
    label_setting = "--model.classes"

    def __init__(
        self,
        model: ColoringModel,
        *,
        class_weight: float,
        discriminator_width: float,
        stage: str | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(model, stage=stage, **optimization)
        # for images with the channels L / 50 - 1, a / 110 and b / 110
        self.discriminator = pixel_patch_discriminator(discriminator_width)
        self.class_weight = class_weight
        if not class_weight:
            self.model.network.classifier.requires_grad_(False)  # DDP waits for its gradients
        self.label_count = self.model.network.classifier.out_features if class_weight else 0

    def read_references(self, batch: Batch) -> tuple[Any, Tensor] | None:
        """Return the references of a batch and their ab histograms ``(B, 441)``.

        The result is None if the batch contains no references.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read_references(batch)")

    def generate(self, batch: Batch) -> GatedPrediction:
        """Colorize a training batch with the references from `read_references`."""
        truth = scaled_lab(batch["rgb"])
        reference, histogram = self.read_references(batch) or (None, None)
        height, width = truth.shape[-2:]
        lightness = 50 * (truth[:, :1] + 1)
        output = self.model.generate(lightness, reference)
        ab = AB_SCALE * output.ab[2][:, :, :height, :width]
        return GatedPrediction(ab=ab, output=output, truth=truth, histogram=histogram)

    def generator_terms(self, batch: Batch, generated: GatedPrediction) -> dict[str, Tensor]:
        """Return the generator losses by name; the classification loss only if ``class_weight`` is not 0."""
        output = generated.output
        quarter_size_ab, half_size_ab = output.ab[:2]  # scaled, like the truth
        ab = generated.ab / AB_SCALE  # full size, cropped to the image
        lightness, true_ab = generated.truth[:, :1], generated.truth[:, 1:]
        padded_true_ab = self.model.pad(true_ab)  # as the network pads its input
        pixel_losses = [
            _smooth_l1(quarter_size_ab, padded_true_ab),
            _smooth_l1(half_size_ab, padded_true_ab),
            _smooth_l1(ab, true_ab),
        ]
        losses = {
            "pixel": torch.stack(pixel_losses).sum(),
            "variation": total_variation(ab),
        }
        if generated.histogram is not None:
            histogram = soft_histogram(ab).flatten(1)
            distances = chi_square_distance(histogram, generated.histogram, epsilon=_EPSILON)
            losses["histogram"] = distances.mean()
        if self.class_weight:
            losses["class"] = F.cross_entropy(output.logits.float(), batch["label"])
        if self.is_adversarial():
            fake = torch.cat([lightness, ab], dim=1)
            losses["adversarial"] = least_squares_loss(self.discriminator(fake).float())
        return losses

    def discriminator_loss(self, batch: Batch, generated: GatedPrediction) -> Tensor:
        """Return the least-squares loss of the discriminator."""
        fake = torch.cat([generated.truth[:, :1], generated.ab.detach() / AB_SCALE], dim=1)
        scores = [self.discriminator(each).float() for each in (fake, generated.truth)]
        return least_squares_discriminator_loss(*scores)


def _smooth_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the smooth L1 loss of a prediction that may be smaller than its target.

    Args:
        prediction: Predicted ab / 110, ``(B, 2, h, w)``.
        target: ``(B, 2, H, W)`` true ab / 110, which is averaged over areas to the size of the prediction.
    """
    return F.smooth_l1_loss(prediction, F.interpolate(target, size=prediction.shape[-2:], mode="area"))
