"""The losses of Cho et al. 2023, sec. 3.4, as the published code weighs and averages them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Smoothness = Literal["four_l1", "eight_l1", "eight_l2"]


def total_variance(filled: Tensor, image: Tensor) -> Tensor:
    """Return the mean squared distance of a picture from its segments' means: the variance within segments.

    Args:
        filled: ``(B, 3, H, W)``, every segment filled with its mean color, hinted or not.
        image: ``(B, 3, H, W)`` truth.
    """
    return (filled - image).square().mean()


def smoothness(logits: Tensor, form: Smoothness = "eight_l1") -> Tensor:
    """Return how much neighboring logits differ.

    Args:
        logits: ``(B, N, H, W)``.
        form: ``eight_l1``: the mean over the four directions of absolute differences; ``four_l1``: over two;
            ``eight_l2``: of squares.
    """
    straight = (logits[..., :-1, :] - logits[..., 1:, :], logits[..., :-1] - logits[..., 1:])
    diagonal = (
        logits[..., :-1, :-1] - logits[..., 1:, 1:],
        logits[..., 1:, :-1] - logits[..., :-1, 1:],
    )
    steps = straight if form == "four_l1" else (*straight, *diagonal)
    means = [step.square().mean() if form == "eight_l2" else step.abs().mean() for step in steps]
    return sum(means[1:], start=means[0]) / len(means)


def deception(scores: Tensor) -> Tensor:
    """Return the least-squares loss of the generator: how far its scores ``(B, 1, h, w)`` are from 1."""
    return (scores - 1).square().mean()


def detection(fake: Tensor, real: Tensor) -> Tensor:
    """Return the least-squares loss of the discriminator on scores of painted and of true pictures."""
    return 0.5 * (fake.square().mean() + deception(real))
