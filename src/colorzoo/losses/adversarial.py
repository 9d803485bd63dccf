"""Least-squares adversarial losses (Mao et al. 2017)."""

from __future__ import annotations

from torch import Tensor


def least_squares_loss(scores: Tensor) -> Tensor:
    """Return the loss of a generator from the scores of its pictures, which should be 1.

    Examples:
        >>> least_squares_loss(torch.zeros(2, 1, 6, 6))
        tensor(1.)
    """
    return (scores - 1).square().mean()


def least_squares_critic_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return the loss of a discriminator: painted pictures should score 0, true ones 1.

    Examples:
        >>> least_squares_critic_loss(fake=torch.zeros(2, 1, 6, 6), real=torch.ones(2, 1, 6, 6))
        tensor(0.)
    """
    return 0.5 * (fake.square().mean() + least_squares_loss(real))
