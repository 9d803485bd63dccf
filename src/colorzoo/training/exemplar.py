"""Training of exemplar models: base classes, self-references, input noise and losses.

The losses are from SPColor (Chen et al. 2023, section III-E) and Zhang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.errors import WeightsError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import (
    contextual_loss,
    edge_aware_smoothness,
    relativistic_loss,
    self_reference_l1,
    sum_over_processes,
    unmatched_perceptual,
)
from colorzoo.networks.exemplar import ReferenceImage, Warped
from colorzoo.networks.exemplar_extensions import ExemplarExtensions
from colorzoo.prediction import AbPrediction
from colorzoo.randomness import image_generators
from colorzoo.settings import NonNegativeFloat, Positive, PositiveInt
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import parameter_groups

_CONTEXTUAL = (2.0, 4.0, 8.0)  # weights of relu3_2 (pooled), relu4_2 and relu5_2


@dataclass(frozen=True)
class ExemplarObjective:
    """Settings of the losses; the defaults are the values of SPColor (section IV-A).

    Attributes:
        l1_weight: Weight of the L1 loss, computed only for images whose reference is derived from the image
            itself (self-references).
        perceptual_weight: Weight of the squared distance between the deepest features of the prediction and
            the ground truth, computed by the frozen feature network of the model.
        semantic: Whether to weight the perceptual distance of a position by 1 - similarity between the
            position and its match in the reference (Chen et al. 2023, eq. 12). False selects the unweighted
            perceptual loss of Zhang et al. 2019.
        smooth_weight: Weight of the edge-aware smoothness loss.
        smooth_alpha: Scale of the squared Lab distance of neighboring pixels in the smoothness loss.
        adversarial_weight: Weight of the relativistic adversarial loss.
        contextual_weight: Weight of the contextual loss between the prediction and the reference. SPColor's
            code contains this loss, but the paper does not.
    """

    l1_weight: float = 2.0
    perceptual_weight: NonNegativeFloat = 0.01
    semantic: bool = True
    smooth_weight: NonNegativeFloat = 2.0
    smooth_alpha: NonNegativeFloat = 2.0
    adversarial_weight: NonNegativeFloat = 0.4
    contextual_weight: NonNegativeFloat = 0.0


@dataclass(frozen=True)
class ExemplarDiscriminator:
    """Settings of the discriminator.

    Attributes:
        discriminator_width: Multiplier for the channel counts; 1.0 matches the published network.
        discriminator_layers: Number of strided convolutions. The published 6 layers require images of at
            least 192 pixels; 4 layers require at least 48 pixels.
    """

    discriminator_width: Positive = 1.0
    discriminator_layers: PositiveInt = 6


@dataclass(frozen=True)
class ExemplarSimulation:
    """Settings of the noise added to the network input during training.

    Attributes:
        lightness_noise: Standard deviation of Gaussian noise on L in CIE units, as in the published code.
    """

    lightness_noise: NonNegativeFloat = 2.0


@dataclass(frozen=True, kw_only=True)
class ExemplarPrediction(AbPrediction):
    """Prediction for a training batch, with other inputs of the losses.

    Attributes:
        warped: Colors warped from the references to the matching positions of the target images, at a quarter
            of the image size.
        reference: ``(B, 3, H, W)`` references in [0, 1].
        self_referenced: ``(B,)``, 1 if the reference is an augmented copy of the target image, else 0.
    """

    warped: Warped
    reference: Tensor
    self_referenced: Tensor


class SelfReferenced:
    """Mixin for tasks that are validated without and with references.

    The references come from the data. If batches contain no references, each image gets a self-reference,
    which is derived from the image by augmentation.
    """

    def validation_settings(self) -> tuple[str, ...]:
        """Return the setting names ``automatic`` (no reference) and ``reference``."""
        return ("automatic", "reference")

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Yield no guidance for ``automatic``, or the references of the batch for ``reference``.

        Args:
            batch: The batch; without ``reference``, self-references are used.
            lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        """
        for setting in self.validation_settings():
            if setting == "automatic":
                yield setting, Guidance()
                continue
            given = batch.get("reference")
            if given is None:
                given = self.made_reference(lab_to_rgb(lab), batch["seed"])
            yield setting, Guidance(exemplar=Exemplar(given))

    def made_reference(self, rgb: Tensor, seeds: Tensor) -> Tensor:
        """Return self-references of images: by default, random crops, flipped randomly.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            seeds: ``(B,)`` random seed of each image.
        """
        return _self_reference(rgb, seeds)


class ExemplarGANModule(SelfReferenced, GANColorizationModule[ExemplarPrediction]):
    """Base class of tasks whose models match features of the image and the reference.

    The ``__init__`` of a subclass sets the attributes. The model has a frozen feature network ``features``
    and a network ``correspondence`` that computes the features to match.

    Attributes:
        objective: Settings of the losses.
        extensions: Settings of extensions that are not in the paper.
        matching_lr: Learning rate of the correspondence network. None uses the learning rate of the color
            network.
        missing_weights: Names of the frozen networks whose weights have not been loaded.
    """

    model: Any
    objective: ExemplarObjective
    extensions: ExemplarExtensions
    matching_lr: float | None
    missing_weights: set[str]

    def discriminator_input(self, lab: Tensor, generated: ExemplarPrediction) -> Tensor:
        """Return the discriminator input for Lab images; by default the images themselves.

        Args:
            lab: True or generated images ``(B, 3, H, W)``.
            generated: Prediction for the batch.
        """
        return lab

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the color network and the correspondence network."""
        own_rate = {} if self.matching_lr is None else {"lr": self.matching_lr}
        matching = [{**group, **own_rate} for group in parameter_groups(self.model.correspondence)]
        return [*parameter_groups(self.model.network), *matching]

    def on_fit_start(self) -> None:
        """Raise `WeightsError` if a frozen network has random weights."""
        super().on_fit_start()
        if self.missing_weights and not self.trained:
            raise WeightsError(
                f"{type(self).__name__} has frozen networks with random weights: "
                f"{', '.join(sorted(self.missing_weights))}. Set --init_from FILE (see the model's page)."
            )

    def generator_loss(self, batch: Batch, generated: ExemplarPrediction) -> Tensor:
        """Return the weighted sum of the generator losses."""
        lab = rgb_to_lab(batch["rgb"])
        terms = exemplar_losses(self, lab, generated) | extension_losses(self.extensions, lab, generated)
        self.log_losses(terms, len(batch["rgb"]))
        return torch.stack(list(terms.values())).sum() + zero_of_all_parameters(self.model.correspondence)

    def discriminator_loss(self, batch: Batch, generated: ExemplarPrediction) -> Tensor:
        """Return the relativistic loss of the discriminator."""
        fake, real = _scores(self, rgb_to_lab(batch["rgb"]), generated)
        return relativistic_loss(real, fake)


def references_of(batch: Batch) -> tuple[ReferenceImage, Tensor]:
    """Return the references of a batch, and ``(B,)`` flags that are 1 for self-references.

    If the batch contains no references, each reference is a large random crop of the image, flipped with
    probability 0.5.
    """
    rgb = batch["rgb"]
    given = batch.get("reference")
    if given is None:
        given = _self_reference(rgb, batch["seed"])
        self_made = torch.ones(len(rgb), device=rgb.device)
    else:
        self_made = batch.get("self_made", torch.zeros(len(rgb), device=rgb.device)).float()
    return ReferenceImage(given, rgb_to_lab(given)[:, 1:]), self_made


def with_noise(lightness: Tensor, seeds: Tensor, deviation: float) -> Tensor:
    """Add Gaussian noise to the lightness of each image.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        seeds: ``(B,)`` random seed of each image.
        deviation: Standard deviation of the noise in CIE units.
    """
    if not deviation:
        return lightness
    shape = lightness.shape[1:]
    noise = [torch.randn(shape, generator=each) for each in image_generators(seeds, "noise")]
    return lightness + deviation * torch.stack(noise).to(lightness)


def zero_of_all_parameters(network: nn.Module) -> Tensor:
    """Return a zero that depends on every parameter of a network.

    The losses do not depend on the correspondence network if no image shares a semantic class with its
    reference. DDP then blocks on the missing gradients. Adding this zero to the loss prevents the deadlock.
    """
    return 0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum()


def exemplar_losses(task: ExemplarGANModule, lab: Tensor, generated: ExemplarPrediction) -> dict[str, Tensor]:
    """Return the weighted generator losses by name; losses with weight 0 are omitted.

    Args:
        task: The task.
        lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        generated: Prediction for the batch.
    """
    objective, ab = task.objective, generated.ab
    losses = {"l1": objective.l1_weight * self_reference_l1(ab, lab[:, 1:], generated.self_referenced)}
    if objective.smooth_weight:
        smoothness = edge_aware_smoothness(ab, lab, alpha=objective.smooth_alpha)
        losses["smooth"] = objective.smooth_weight * smoothness
    if objective.adversarial_weight:
        fake, real = _scores(task, lab, generated)
        losses["adversarial"] = objective.adversarial_weight * relativistic_loss(fake, real)
    if objective.perceptual_weight or objective.contextual_weight:
        losses |= _feature_losses(task, lab, generated)
    return losses


def _feature_losses(task: ExemplarGANModule, lab: Tensor, generated: ExemplarPrediction) -> dict[str, Tensor]:
    """Return the weighted losses on features of the frozen network; losses with weight 0 are omitted."""
    objective, network = task.objective, task.model.features
    losses = {}
    features = network.semantic(lab_to_rgb(torch.cat([lab[:, :1], generated.ab], dim=1)))
    if objective.perceptual_weight:
        with torch.no_grad():
            true_features = network.semantic(lab_to_rgb(lab))
        similarity = generated.warped.similarity * float(objective.semantic)
        perceptual = unmatched_perceptual(features[-1], true_features[-1], similarity)
        losses["perceptual"] = objective.perceptual_weight * perceptual
    if objective.contextual_weight:
        with torch.no_grad():
            reference_features = network.semantic(generated.reference)
        contextual = _multiscale_contextual_loss(features, reference_features)
        losses["contextual"] = objective.contextual_weight * contextual
    return losses


def _multiscale_contextual_loss(features: Sequence[Tensor], reference_features: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of the contextual losses at relu3_2 (pooled), relu4_2 and relu5_2."""
    pooled_pair = (F.avg_pool2d(features[0], 2), F.avg_pool2d(reference_features[0], 2))
    pairs = [pooled_pair, *zip(features[1:], reference_features[1:], strict=True)]
    losses = [contextual_loss(*pair).mean() for pair in pairs]
    weighted = [weight * loss for weight, loss in zip(_CONTEXTUAL, losses, strict=True)]
    return torch.stack(weighted).sum()


def extension_losses(
    extensions: ExemplarExtensions, lab: Tensor, generated: ExemplarPrediction
) -> dict[str, Tensor]:
    """Return the weighted losses that are not in the papers; losses with weight 0 are omitted.

    Args:
        extensions: Weights of the losses.
        lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        generated: Prediction for the batch.
    """
    true, terms = lab[:, 1:], {}
    if extensions.truth_weight:
        terms["truth"] = extensions.truth_weight * (generated.ab - true).abs().mean()
    if extensions.warp_weight:
        terms["warp"] = extensions.warp_weight * warped_l1(generated, true)
    return terms


def warped_l1(generated: ExemplarPrediction, true: Tensor) -> Tensor:
    """Return the mean L1 distance between warped reference colors and true colors.

    The mean is computed over the positions with a match in the reference, for the images with self-references
    in all processes. This loss is not in the papers.

    Args:
        generated: Prediction for the batch.
        true: ``(B, 2, H, W)`` true ab in CIE units.
    """
    counted = generated.warped.matched.float() * generated.self_referenced[:, None, None, None]
    distance = (generated.warped.ab - F.avg_pool2d(true, 4)).abs()
    positions, processes = sum_over_processes(torch.stack([counted.sum(), counted.new_ones(())]))
    # DDP averages gradients, so each process divides by the mean number of values
    values_per_process = 2 * positions / processes  # a and b
    return (distance * counted).sum() / values_per_process.clamp(min=1e-6)


def _scores(task: ExemplarGANModule, lab: Tensor, generated: ExemplarPrediction) -> tuple[Tensor, Tensor]:
    """Return the discriminator scores ``(B, 1)`` of generated and true images."""
    fake = torch.cat([lab[:, :1], generated.ab], dim=1)
    fake_scores = task.discriminator(task.discriminator_input(fake, generated))
    true_scores = task.discriminator(task.discriminator_input(lab, generated))
    return fake_scores.float(), true_scores.float()


def _self_reference(rgb: Tensor, seeds: Tensor) -> Tensor:
    return crop_flip_reference(rgb, image_generators(seeds, "reference"))
