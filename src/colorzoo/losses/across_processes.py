"""Sums over all processes of a run, for losses that are divided by something of the whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Return the sum."""
        del ctx
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        """Return what the value adds to the losses of all processes."""
        del ctx
        total = upstream[0].clone()
        distributed.all_reduce(total)
        return total


def process_count() -> int:
    """Return how many processes train together; 1 where there is no group of them."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of a tensor over the processes, with gradients; all of them must call this together.

    Gradients are averaged over processes afterwards, so a loss that is a share of a sum over the whole batch
    is multiplied by `process_count` to be that of one process.
    """
    if process_count() == 1:
        return value
    total: Tensor = _Sum.apply(value)
    return total
