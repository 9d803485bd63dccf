"""The mean over pictures, which most metrics of colorization papers are."""

from __future__ import annotations

from abc import ABC
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class PictureMean(Metric, ABC):
    """Mean of one value a picture; pictures whose value is NaN are left out and counted.

    A metric implements ``update``, which computes the values and hands them to `add`.
    """

    full_state_update = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("left_out", torch.tensor(0), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Add the ``(B,)`` values of a batch."""
        values = values.to(self.total.device)
        missing = values.isnan()
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.total = self.total + values.masked_fill(missing, 0.0).double().sum()
        self.count = self.count + (~missing).sum()
        self.left_out = self.left_out + missing.sum()

    def mean(self) -> Tensor:
        """Return the mean; NaN if there was no picture."""
        return (self.total / self.count).float()

    def compute(self) -> Any:
        """Return the mean, or several values by name where a metric says so."""
        return self.mean()
