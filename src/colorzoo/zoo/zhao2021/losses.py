"""The loss of Zhao et al. 2021: smooth L1 of ab and the distance of feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_DIVISORS = (32.0, 16.0, 8.0, 4.0, 1.0)  # relu1_2 to relu5_2


def feature_distance(found: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of the mean absolute differences of maps, the deepest last and heaviest.

    Args:
        found: ``(B, C, h, w)`` each, up to five.
        true: The same of the true pictures.
    """
    divisors = _DIVISORS[-len(found) :]
    terms = [F.l1_loss(a, b) / by for a, b, by in zip(found, true, divisors, strict=True)]
    return torch.stack(terms).sum()
