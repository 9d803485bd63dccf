"""Losses of several papers: feature distances, GAN losses and weighted sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.precision import in_float32

_DIVISORS = (32.0, 16.0, 8.0, 4.0, 1.0)


@in_float32
def feature_distance(found: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of L1 distances between feature maps; the last map has weight 1.

    Examples:
        >>> maps = [torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)]
        >>> float(feature_distance([each + 1 for each in maps], maps))
        1.25

    Five maps have the weights 1/32, 1/16, 1/8, 1/4 and 1, as in Zhao et al. 2021 and Xia et al. 2022 for five
    layers of VGG-19.

    Args:
        found: ``(B, C, h, w)`` feature maps of the predicted images; at most five, shallow layers first.
        true: Feature maps of the real images.
    """
    divisors = _DIVISORS[-len(found) :]
    terms = [F.l1_loss(a, b) / by for a, b, by in zip(found, true, divisors, strict=True)]
    return torch.stack(terms).sum()


@in_float32
def cross_entropy_gan_loss(scores: Tensor, *, real: bool) -> Tensor:
    """Return the binary cross-entropy of discriminator logits.

    Examples:
        >>> cross_entropy_gan_loss(torch.zeros(2, 1, 6, 6), real=True)
        tensor(0.6931)

    Args:
        scores: Logits of any shape; high values mean "real".
        real: Label of all scores. The generator loss uses the label True for generated images.
    """
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


@in_float32
def least_squares_loss(scores: Tensor) -> Tensor:
    """Return the least-squares generator loss with target 1.

    Examples:
        >>> least_squares_loss(torch.zeros(2, 1, 6, 6))
        tensor(1.)
    """
    return (scores - 1).square().mean()


@in_float32
def least_squares_discriminator_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return the least-squares discriminator loss with target 0 for fake, 1 for real images.

    Examples:
        >>> least_squares_discriminator_loss(fake=torch.zeros(2, 1, 6, 6), real=torch.ones(2, 1, 6, 6))
        tensor(0.)
    """
    return 0.5 * (fake.square().mean() + least_squares_loss(real))


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, Any]) -> Tensor:
    """Sum losses, each multiplied by ``weights["NAME_weight"]``, or by 1 without this entry.

    Examples:
        >>> weighted_sum({"pixel": torch.tensor(3.0)}, {"pixel_weight": 10.0})
        tensor(30.)

    Args:
        terms: Losses by name.
        weights: Mapping with entries ``NAME_weight`` for names in ``terms``, such as the ``hparams`` of a
            task.
    """
    return torch.stack([weights.get(f"{name}_weight", 1.0) * term for name, term in terms.items()]).sum()
