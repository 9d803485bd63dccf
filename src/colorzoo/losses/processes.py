"""Sums over the batches of all processes, so that a loss does not depend on how they share the pictures."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of ``values`` over all processes, with a gradient to each; without processes ``values``.

    Every process must call it, with the same shape.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return values
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total
