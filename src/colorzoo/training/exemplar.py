"""Training of exemplar models: base classes, self-references, input noise and losses.

The losses are from SPColor (Chen et al. 2023, section III-E) and Zhang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.errors import WeightsError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import contextual_loss, relativistic_loss
from colorzoo.losses.exemplar import (
    edge_aware_smoothness,
    self_reference_l1,
    sum_over_processes,
    unmatched_perceptual,
)
from colorzoo.networks.exemplar import ReferenceImage, Warped
from colorzoo.prediction import AbPrediction
from colorzoo.randomness import image_generators
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import parameter_groups

_CONTEXTUAL = (2.0, 4.0, 8.0)  # weights of relu3_2 (pooled), relu4_2 and relu5_2


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

    validation_names: tuple[str, ...] = ("automatic", "reference")

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Yield no guidance for ``automatic``, or the references of the batch for ``reference``.

        Args:
            batch: The batch; without ``reference``, self-references are used.
            lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        """
        for setting in self.validation_names:
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

    The model has a frozen feature network ``features`` and a network ``correspondence`` that computes the
    features to match. The ``__init__`` of a subclass sets the attributes and has the settings of the losses
    as arguments; `Chen2023` documents them.

    Attributes:
        matching_lr: Learning rate of the correspondence network. None uses the learning rate of the color
            network.
        missing_weights: Names of the frozen networks whose weights have not been loaded.
    """

    model: Any
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
        """Return the weighted sum of the generator losses.

        Losses with weight 0 are omitted, except the L1 loss.
        """
        settings: Any = self.hparams
        ab, features = generated.ab, self.model.features
        lab = rgb_to_lab(batch["rgb"])
        true_ab = lab[:, 1:]
        terms = {"l1": self_reference_l1(ab, true_ab, generated.self_referenced)}
        if settings.smooth_weight:
            terms["smooth"] = edge_aware_smoothness(ab, lab, alpha=settings.smooth_alpha)
        if settings.adversarial_weight:
            fake, real = self._scores(lab, generated)
            terms["adversarial"] = relativistic_loss(fake, real)
        # losses on features of the frozen network
        if settings.perceptual_weight or settings.contextual_weight:
            maps = features.semantic(lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1)))
        if settings.perceptual_weight:
            with torch.no_grad():
                true_maps = features.semantic(lab_to_rgb(lab))
            similarity = generated.warped.similarity * float(settings.semantic)
            terms["perceptual"] = unmatched_perceptual(maps[-1], true_maps[-1], similarity)
        if settings.contextual_weight:
            with torch.no_grad():
                reference_maps = features.semantic(generated.reference)
            # relu3_2 (pooled), relu4_2 and relu5_2
            pairs = [(F.avg_pool2d(maps[0], 2), F.avg_pool2d(reference_maps[0], 2))]
            pairs += zip(maps[1:], reference_maps[1:], strict=True)
            losses = [contextual_loss(*pair).mean() for pair in pairs]
            weighted = [weight * loss for weight, loss in zip(_CONTEXTUAL, losses, strict=True)]
            terms["contextual"] = torch.stack(weighted).sum()
        # losses that are not in the papers
        if settings.truth_weight:
            terms["truth"] = (ab - true_ab).abs().mean()
        if settings.warp_weight:
            terms["warp"] = warped_l1(generated, true_ab)
        terms = {name: settings[f"{name}_weight"] * term for name, term in terms.items()}
        self.log_losses(terms, len(lab))
        # The losses do not depend on the correspondence network if no image shares a semantic class with its
        # reference. DDP then blocks on the missing gradients; adding 0 times every parameter prevents this.
        zero = 0 * torch.stack([each.sum() for each in self.model.correspondence.parameters()]).sum()
        return torch.stack(list(terms.values())).sum() + zero

    def discriminator_loss(self, batch: Batch, generated: ExemplarPrediction) -> Tensor:
        """Return the relativistic loss of the discriminator."""
        fake, real = self._scores(rgb_to_lab(batch["rgb"]), generated)
        return relativistic_loss(real, fake)

    def _scores(self, lab: Tensor, generated: ExemplarPrediction) -> tuple[Tensor, Tensor]:
        """Return the discriminator scores ``(B, 1)`` of generated and true images."""
        fake = torch.cat([lab[:, :1], generated.ab], dim=1)
        fake_scores = self.discriminator(self.discriminator_input(fake, generated))
        true_scores = self.discriminator(self.discriminator_input(lab, generated))
        return fake_scores.float(), true_scores.float()


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


def _self_reference(rgb: Tensor, seeds: Tensor) -> Tensor:
    return crop_flip_reference(rgb, image_generators(seeds, "reference"))
