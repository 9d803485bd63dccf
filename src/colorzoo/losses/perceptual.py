"""Distances of feature maps of a pretrained network, which the user of a loss computes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_DIVISORS = (32.0, 16.0, 8.0, 4.0, 1.0)


def feature_distance(found: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of the mean absolute differences of maps; the deepest, last, has weight 1.

    Examples:
        >>> maps = [torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)]
        >>> float(feature_distance([each + 1 for each in maps], maps))
        1.25

    The maps of VGG-19's five stages weigh 1/32, 1/16, 1/8, 1/4 and 1 (Zhao et al. 2021, Xia et al. 2022).

    Args:
        found: ``(B, C, h, w)`` each, up to five, shallow first.
        true: Maps of the true pictures.
    """
    divisors = _DIVISORS[-len(found) :]
    terms = [F.l1_loss(a, b) / by for a, b, by in zip(found, true, divisors, strict=True)]
    return torch.stack(terms).sum()
