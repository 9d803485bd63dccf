"""What SPColor is trained on: pairs, noise, losses (sections III-E and IV-A)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.draws import picture_generators, uniform_draws
from colorzoo.losses import (
    contextual_loss,
    edge_aware_smoothness,
    relativistic_loss,
    self_reference_l1,
    unmatched_perceptual,
)
from colorzoo.networks.clusters import Classified
from colorzoo.tasks import Prediction

if TYPE_CHECKING:
    from colorzoo.zoo.chen2023.task import Chen2023

_CONTEXTUAL = (2.0, 4.0, 8.0)  # weights of relu3_2 (pooled), relu4_2 and relu5_2
_MOST_CLASSES = 256


def hide(ours: Classified, theirs: Classified, seeds: Tensor, hparams: Any) -> tuple[Classified, Classified]:
    """Match some pictures without classes, and hide classes of the reference, or all, as the arguments say."""
    if not (hparams.one_class or hparams.hide_classes or hparams.without_reference):
        return ours, theirs
    labels = theirs.labels
    draws = uniform_draws(picture_generators(seeds, "hide"), len(labels), _MOST_CLASSES + 2, labels.device)
    single = (draws[:, 0] < hparams.one_class)[:, None, None, None]
    ours = ours._replace(labels=torch.where(single, 0, ours.labels))
    labels = torch.where(single, 0, labels)
    hidden = draws[:, 2:].gather(1, labels.flatten(1)).view_as(labels) < hparams.hide_classes
    hidden = (hidden & ~single) | (draws[:, 1] < hparams.without_reference)[:, None, None, None]
    return ours, theirs._replace(labels=torch.where(hidden, -1, labels))


def painter_loss(model: Chen2023, lab: Tensor, painted: Prediction) -> dict[str, Tensor]:
    """Return the weighted losses of color and correspondence network by name; those of weight 0 are left out.

    Args:
        model: Whose weights, trunk and discriminator to use.
        lab: ``(B, 3, H, W)`` truth.
        painted: From `Chen2023.paint`.
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
        fake, real = _judge(model.discriminator, lab[:, :1], ab), _judge(model.discriminator, *_rolled(lab))
        parts["adversarial"] = hp.adversarial_weight * relativistic_loss(fake, real)
    if hp.smp_weight or hp.contextual_weight:
        parts |= _perceptual(model, lab, painted)
    return parts


def adversary_loss(discriminator: nn.Module, lab: Tensor, painted: Prediction) -> Tensor:
    """Return the loss of the discriminator."""
    assert painted.ab is not None
    real = _judge(discriminator, *_rolled(lab))
    return relativistic_loss(real, _judge(discriminator, lab[:, :1], painted.ab))


def _perceptual(model: Chen2023, lab: Tensor, painted: Prediction) -> dict[str, Tensor]:
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


def _rolled(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Return lightness and color of the true pictures, moved on by one, so that none meets its own painting."""
    moved = lab.roll(1, dims=0)
    return moved[:, :1], moved[:, 1:]


def _judge(discriminator: nn.Module, luma: Tensor, ab: Tensor) -> Tensor:
    score: Tensor = discriminator(torch.cat([luma, ab], dim=1)).score
    return score.float()
