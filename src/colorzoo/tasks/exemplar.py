"""What training exemplar models shares: a base, references made from the picture itself, noise, losses.

The losses are those of SPColor (Chen et al. 2023, section III-E) and of Zhang et al. 2019, with their
weights as the model's arguments.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.references import crop_flip_reference
from colorzoo.draws import picture_generators
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import (
    contextual_loss,
    edge_aware_smoothness,
    relativistic_loss,
    self_reference_l1,
    unmatched_perceptual,
)
from colorzoo.networks.exemplar import Reference
from colorzoo.networks.trunk import Trunk
from colorzoo.networks.warp_net import WarpNet
from colorzoo.tasks.base import Prediction
from colorzoo.tasks.gan import GANColorizationModule
from colorzoo.tasks.optimizers import OptimizerSetup, rate_factor
from colorzoo.weights import apply_weights

_CONTEXTUAL = (2.0, 4.0, 8.0)  # weights of relu3_2 (pooled), relu4_2 and relu5_2


class ExemplarGANModule(GANColorizationModule):
    """Base of the papers that carry a reference's colors over by features and train against a discriminator.

    The subclass's ``__init__`` has the weights of `painter_loss` as arguments. Its ``paint`` answers the
    extras ``self``, ``similarity``, ``warped_ab``, ``matched`` and ``reference``.
    """

    features: Trunk
    correspondence: WarpNet

    def judge(self, lab: Tensor, extras: dict[str, Tensor]) -> Tensor:
        """Return the discriminator's scores ``(B, 1)`` of pictures ``(B, 3, H, W)`` in Lab."""
        raise NotImplementedError(f"{type(self).__name__} must define judge(lab, extras)")

    def generator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return the weighted sum of the losses."""
        parts = painter_loss(self, rgb_to_lab(batch["rgb"]), painted)
        self.log_dict({f"loss/{name}": value.detach() for name, value in parts.items()})
        return torch.stack(list(parts.values())).sum() + tie(self.correspondence)

    def discriminator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return the relativistic loss of the discriminator."""
        fake, real = _judgements(self, rgb_to_lab(batch["rgb"]), painted)
        return relativistic_loss(real, fake)

    def validation_settings(self) -> tuple[str, ...]:
        """Return: no reference, and one made from the picture itself."""
        return ("automatic", "self")

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make the reference of a setting."""
        if setting == "automatic":
            return Guidance()
        return Guidance(exemplar=Exemplar(made_reference(lab, seeds)))

    def load_networks(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks under our names; where they published no discriminator, it stays.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        judge = {k: v for k, v in self.state_dict().items() if k.startswith("discriminator.")}
        apply_weights(self, {**judge, **state_dict}, name="the published checkpoint", published=False)


def self_reference(batch: Batch) -> tuple[Reference, Tensor]:
    """Return the references of a batch and which ``(B,)`` were made from their own target.

    Where the data has no references, all are made: a large crop, half of them mirrored.
    """
    rgb = batch["rgb"]
    given = batch.get("reference")
    if given is None:
        given = crop_flip_reference(rgb, picture_generators(batch["seed"], "referen"))
        made = torch.ones(len(rgb), device=rgb.device)
    else:
        made = batch.get("self_made", torch.zeros(len(rgb), device=rgb.device)).float()
    return Reference(given, rgb_to_lab(given)[:, 1:]), made


def made_reference(lab: Tensor, seeds: Tensor) -> Tensor:
    """Return references ``(B, 3, H, W)`` in [0, 1] made from pictures ``(B, 3, H, W)`` in Lab."""
    return crop_flip_reference(lab_to_rgb(lab), picture_generators(seeds, "referen"))


def with_noise(luma: Tensor, seeds: Tensor, deviation: float) -> Tensor:
    """Add normal noise to lightness ``(B, 1, H, W)``, each picture its own."""
    if not deviation:
        return luma
    shape = luma.shape[1:]
    noise = [torch.randn(shape, generator=each) for each in picture_generators(seeds, "noise")]
    return luma + deviation * torch.stack(noise).to(luma)


def tie(network: nn.Module) -> Tensor:
    """Return a zero that every parameter takes part in.

    A batch without a common class gives the correspondence network no gradient; several processes would wait
    for one.
    """
    return 0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum()


def painter_loss(model: ExemplarGANModule, lab: Tensor, painted: Prediction) -> dict[str, Tensor]:
    """Return the weighted losses of color and correspondence network by name; those of weight 0 are left out.

    Args:
        model: Whose weights, trunk and discriminator to use.
        lab: ``(B, 3, H, W)`` truth.
        painted: With the extras ``self``, ``similarity``, ``warped_ab``, ``matched`` and ``reference``.
    """
    hp: Any = model.hparams
    ab, extras = painted.ab, painted.extras
    assert ab is not None
    true = lab[:, 1:]
    parts = {"l1": hp.l1_weight * self_reference_l1(ab, true, extras["self"])}
    if hp.truth_weight:
        parts["truth"] = hp.truth_weight * (ab - true).abs().mean()
    if hp.warp_weight:
        parts["warp"] = hp.warp_weight * _warp_l1(extras, true)
    if hp.smooth_weight:
        parts["smooth"] = hp.smooth_weight * edge_aware_smoothness(ab, lab, alpha=hp.smooth_alpha)
    if hp.adversarial_weight:
        fake, real = _judgements(model, lab, painted)
        parts["adversarial"] = hp.adversarial_weight * relativistic_loss(fake, real)
    if hp.smp_weight or hp.contextual_weight:
        parts |= _perceptual(model, lab, painted)
    return parts


def _perceptual(model: ExemplarGANModule, lab: Tensor, painted: Prediction) -> dict[str, Tensor]:
    hp: Any = model.hparams
    assert painted.ab is not None
    parts = {}
    ours = model.features.semantic(lab_to_rgb(torch.cat([lab[:, :1], painted.ab], dim=1)))
    if hp.smp_weight:
        with torch.no_grad():
            theirs = model.features.semantic(lab_to_rgb(lab))
        similarity = painted.extras["similarity"] * (1.0 if hp.smp else 0.0)
        parts["smp"] = hp.smp_weight * unmatched_perceptual(ours[-1], theirs[-1], similarity)
    if hp.contextual_weight:
        with torch.no_grad():
            look = model.features.semantic(painted.extras["reference"])
        pairs = [*zip(ours, look, strict=True)]
        pairs[0] = (F.avg_pool2d(pairs[0][0], 2), F.avg_pool2d(pairs[0][1], 2))
        each = [
            weight * contextual_loss(x, y).mean() for weight, (x, y) in zip(_CONTEXTUAL, pairs, strict=True)
        ]
        parts["contextual"] = hp.contextual_weight * torch.stack(each).sum()
    return parts


def _warp_l1(extras: dict[str, Tensor], true: Tensor) -> Tensor:
    """Return how far warped colors are from the truth, where a self-referenced picture was matched."""
    counted = extras["matched"] * extras["self"][:, None, None, None]
    distance = (extras["warped_ab"] - F.avg_pool2d(true, 4)).abs()
    return (distance * counted).sum() / (2 * counted.sum() + 1)


def _judgements(model: ExemplarGANModule, lab: Tensor, painted: Prediction) -> tuple[Tensor, Tensor]:
    """Return the scores of painted and of true pictures, the true ones each in the place of the next."""
    assert painted.ab is not None
    fake = model.judge(torch.cat([lab[:, :1], painted.ab], dim=1), painted.extras)
    return fake, model.judge(lab.roll(1, dims=0), {k: v.roll(1, dims=0) for k, v in painted.extras.items()})


def two_rates(
    model: ExemplarGANModule, color: dict[str, Any], matching: dict[str, Any]
) -> tuple[Adam, LambdaLR]:
    """Return one Adam over color and correspondence network, each with its own settings, and its schedule.

    Args:
        model: Whose networks to train.
        color: Rate and further settings of Adam for the color network.
        matching: The same for the correspondence network.
    """
    hp: Any = model.hparams
    parts = ((model.network, color), (model.correspondence, matching))
    groups = [
        {"params": [p for p in part.parameters() if p.requires_grad], **settings} for part, settings in parts
    ]
    optimizer = Adam([group for group in groups if group["params"]], betas=(hp.betas[0], hp.betas[1]))
    setup = OptimizerSetup(hp.lr, schedule=hp.schedule, milestones=tuple(hp.milestones))
    return optimizer, LambdaLR(optimizer, rate_factor(setup, model.trainer.max_epochs or -1))
