"""Extension of iColoriT's training that is not in the paper: more images with few hints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.settings import Fraction


@dataclass(frozen=True)
class Extensions:
    """Extensions of the training that are not in the paper.

    Attributes:
        few: Fraction of the training images with a log-uniform instead of a uniform number of hints, which
            gives more images with few hints.
    """

    few: Fraction = 0.0


def mixed_counts(draws: Tensor, most: int, few: float) -> Tensor:
    """Return numbers of hints ``(B,)``: uniform in [0, ``most``], or log-uniform in [1, ``most``].

    Args:
        draws: Uniform random numbers ``(B, 2)`` in [0, 1).
        most: Maximum number of hints.
        few: Fraction of images with a log-uniform number.
    """
    uniform = (draws[:, 0] * (most + 1)).floor()
    log_uniform = torch.exp(draws[:, 0] * math.log(most + 1)).floor()
    return torch.where(draws[:, 1] < few, log_uniform, uniform)
