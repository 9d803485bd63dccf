"""The weighted sum of the losses of a paper."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def weighted_sum(terms: Mapping[str, Tensor], objective: object) -> Tensor:
    """Return the sum of losses, each times the setting ``NAME_weight`` of a group of settings.

    Examples:
        >>> from types import SimpleNamespace
        >>> weighted_sum({"pixel": torch.tensor(3.0)}, SimpleNamespace(pixel_weight=10.0))
        tensor(30.)

    Args:
        terms: Losses by name.
        objective: The settings.
    """
    return torch.stack([getattr(objective, f"{name}_weight") * term for name, term in terms.items()]).sum()
