"""What training exemplar models shares: a base, references made from the picture itself, noise, losses.

The losses are those of SPColor (Chen et al. 2023, section III-E) and of Zhang et al. 2019.
"""

from __future__ import annotations

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
from colorzoo.networks.exemplar import ReferencePicture, Warped
from colorzoo.networks.trunk import Trunk
from colorzoo.networks.warp_net import WarpNet
from colorzoo.randomness import picture_generators
from colorzoo.tasks.exemplar_settings import ExemplarExtensions, ExemplarObjective
from colorzoo.tasks.gan import GANColorizationModule
from colorzoo.tasks.optimization import parameter_groups
from colorzoo.tasks.prediction import AbPrediction
from colorzoo.weights import apply_weights

_CONTEXTUAL = (2.0, 4.0, 8.0)  # weights of relu3_2 (pooled), relu4_2 and relu5_2


@dataclass(frozen=True, kw_only=True)
class ExemplarPrediction(AbPrediction):
    """A colored training batch, and what its losses compare it with.

    Attributes:
        warped: What came over from the references.
        reference: ``(B, 3, H, W)`` references in [0, 1].
        self_referenced: ``(B,)`` in {0, 1}, whose reference was made from the picture itself.
    """

    warped: Warped
    reference: Tensor
    self_referenced: Tensor


class ExemplarGANModule(GANColorizationModule[ExemplarPrediction]):
    """Base of the papers that carry a reference's colors over by features and train against a discriminator.

    The subclass's ``__init__`` sets `objective`, `extensions` and `matching_lr` before it calls this one's.

    Attributes:
        features: The frozen trunk.
        correspondence: Makes what is matched of the trunk's maps; trained with a rate of its own.
        matching_lr: That rate; None takes the color network's.
        missing_weights: Frozen networks that no weights were loaded into, besides whole files.
    """

    objective: ExemplarObjective
    extensions: ExemplarExtensions
    matching_lr: float | None
    features: Trunk
    correspondence: WarpNet
    missing_weights: set[str]

    def discriminator_input(self, lab: Tensor, painted: ExemplarPrediction) -> Tensor:
        """Return what the discriminator sees of pictures ``(B, 3, H, W)`` in Lab; by default these."""
        del painted
        return lab

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the color network, then those of the correspondence network."""
        own_rate = {} if self.matching_lr is None else {"lr": self.matching_lr}
        matching = [{**group, **own_rate} for group in parameter_groups(self.correspondence)]
        return [*parameter_groups(self.network), *matching]

    def on_fit_start(self) -> None:
        """Refuse to train over frozen networks with random weights.

        Raises:
            WeightsError: No weights were loaded into one of them.
        """
        super().on_fit_start()
        if self.missing_weights and not self.trained:
            raise WeightsError(
                f"{type(self).__name__} trains over frozen networks that have random weights: "
                f"{', '.join(sorted(self.missing_weights))}; give --init_from FILE, or see the model's page."
            )

    def generator_loss(self, batch: Batch, painted: ExemplarPrediction) -> Tensor:
        """Return the weighted sum of the losses."""
        terms = exemplar_losses(self, rgb_to_lab(batch["rgb"]), painted)
        self.log_dict({f"loss/{name}": value.detach() for name, value in terms.items()})
        return torch.stack(list(terms.values())).sum() + zero_of_all_parameters(self.correspondence)

    def discriminator_loss(self, batch: Batch, painted: ExemplarPrediction) -> Tensor:
        """Return the relativistic loss of the discriminator."""
        fake, real = _scores(self, rgb_to_lab(batch["rgb"]), painted)
        return relativistic_loss(real, fake)

    def validation_settings(self) -> tuple[str, ...]:
        """Return: no reference, and one made from the picture itself."""
        return ("automatic", "self")

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make the reference of a setting."""
        if setting == "automatic":
            return Guidance()
        return Guidance(exemplar=Exemplar(_made_reference(lab_to_rgb(lab), seeds)))

    def load_networks(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks under our names; where they published no discriminator, it stays.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        own = {k: v for k, v in self.state_dict().items() if k.startswith("discriminator.")}
        apply_weights(self, {**own, **state_dict}, name="the published checkpoint", published=False)


def references_of(batch: Batch) -> tuple[ReferencePicture, Tensor]:
    """Return the references of a batch and which ``(B,)`` were made from their own target.

    Where the data has no references, all are made: a large crop, half of them mirrored.
    """
    rgb = batch["rgb"]
    given = batch.get("reference")
    if given is None:
        given = _made_reference(rgb, batch["seed"])
        self_made = torch.ones(len(rgb), device=rgb.device)
    else:
        self_made = batch.get("self_made", torch.zeros(len(rgb), device=rgb.device)).float()
    return ReferencePicture(given, rgb_to_lab(given)[:, 1:]), self_made


def with_noise(luma: Tensor, seeds: Tensor, deviation: float) -> Tensor:
    """Add normal noise to lightness ``(B, 1, H, W)``, each picture its own."""
    if not deviation:
        return luma
    shape = luma.shape[1:]
    noise = [torch.randn(shape, generator=each) for each in picture_generators(seeds, "noise")]
    return luma + deviation * torch.stack(noise).to(luma)


def zero_of_all_parameters(network: nn.Module) -> Tensor:
    """Return a zero that every parameter takes part in.

    A batch without a common class gives the correspondence network no gradient; several processes would wait
    for one.
    """
    return 0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum()


def exemplar_losses(model: ExemplarGANModule, lab: Tensor, painted: ExemplarPrediction) -> dict[str, Tensor]:
    """Return the weighted losses of color and correspondence network by name; those of weight 0 are left out.

    Args:
        model: Whose weights, trunk and discriminator to use.
        lab: ``(B, 3, H, W)`` truth.
        painted: The colored batch.
    """
    weigh, ours = model.objective, model.extensions
    ab, true = painted.ab, lab[:, 1:]
    terms = {"l1": weigh.l1_weight * self_reference_l1(ab, true, painted.self_referenced)}
    if ours.truth_weight:
        terms["truth"] = ours.truth_weight * (ab - true).abs().mean()
    if ours.warp_weight:
        terms["warp"] = ours.warp_weight * warped_l1(painted, true)
    if weigh.smooth_weight:
        terms["smooth"] = weigh.smooth_weight * edge_aware_smoothness(ab, lab, alpha=weigh.smooth_alpha)
    if weigh.adversarial_weight:
        fake, real = _scores(model, lab, painted)
        terms["adversarial"] = weigh.adversarial_weight * relativistic_loss(fake, real)
    if weigh.perceptual_weight or weigh.contextual_weight:
        terms |= _feature_losses(model, lab, painted)
    return terms


def _feature_losses(model: ExemplarGANModule, lab: Tensor, painted: ExemplarPrediction) -> dict[str, Tensor]:
    weigh = model.objective
    terms = {}
    colored = model.features.semantic(lab_to_rgb(torch.cat([lab[:, :1], painted.ab], dim=1)))
    if weigh.perceptual_weight:
        with torch.no_grad():
            true = model.features.semantic(lab_to_rgb(lab))
        similarity = painted.warped.similarity * (1.0 if weigh.semantic else 0.0)
        terms["perceptual"] = weigh.perceptual_weight * unmatched_perceptual(
            colored[-1], true[-1], similarity
        )
    if weigh.contextual_weight:
        with torch.no_grad():
            look = model.features.semantic(painted.reference)
        pairs = [*zip(colored, look, strict=True)]
        pairs[0] = (F.avg_pool2d(pairs[0][0], 2), F.avg_pool2d(pairs[0][1], 2))
        each = [
            weight * contextual_loss(x, y).mean() for weight, (x, y) in zip(_CONTEXTUAL, pairs, strict=True)
        ]
        terms["contextual"] = weigh.contextual_weight * torch.stack(each).sum()
    return terms


def warped_l1(painted: ExemplarPrediction, true: Tensor) -> Tensor:
    """Return how far warped colors are from the truth, where a self-referenced picture was matched (ours).

    It is the mean over all such places of all processes.

    Args:
        painted: The colored batch.
        true: ``(B, 2, H, W)`` in CIE units.
    """
    counted = painted.warped.matched.float() * painted.self_referenced[:, None, None, None]
    distance = (painted.warped.ab - F.avg_pool2d(true, 4)).abs()
    places, processes = sum_over_processes(torch.stack([counted.sum(), counted.new_ones(())]))
    # gradients are averaged over processes: so each divides by the mean number of places
    loss: Tensor = (distance * counted).sum() / (2 * places / processes).clamp(min=1e-6)
    return loss


def _scores(model: ExemplarGANModule, lab: Tensor, painted: ExemplarPrediction) -> tuple[Tensor, Tensor]:
    """Return the discriminator's scores ``(B, 1)`` of painted and of true pictures."""
    fake = torch.cat([lab[:, :1], painted.ab], dim=1)
    both = [model.discriminator(model.discriminator_input(each, painted)) for each in (fake, lab)]
    return both[0].score.float(), both[1].score.float()


def _made_reference(rgb: Tensor, seeds: Tensor) -> Tensor:
    return crop_flip_reference(rgb, picture_generators(seeds, "referen"))
