"""Bases of the metrics, and checks of their input."""

from __future__ import annotations

from abc import ABC
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from colorzoo.errors import DataError


class PictureMean(Metric, ABC):
    """Mean of one value per picture; pictures whose value is NaN are left out and counted.

    A metric implements ``update``, which computes the values and passes them to `add`.
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
        # Not in place: the states may have been made in inference mode and be updated outside of it.
        self.total = self.total + values.masked_fill(missing, 0.0).double().sum()
        self.count = self.count + (~missing).sum()
        self.left_out = self.left_out + missing.sum()

    def mean(self) -> Tensor:
        """Return the mean; NaN if there was no picture."""
        return (self.total / self.count).float()

    def compute(self) -> Any:
        """Return the mean; a subclass may return several values by name."""
        return self.mean()


class Ratio(Metric):
    """One sum divided by another, both over all pixels or pictures."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("total", "count"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, total: Tensor, count: Tensor) -> None:
        """Add the ``(B,)`` sums of a batch."""
        # Not in place, see `PictureMean.add`.
        self.total = self.total + total.to(self.total.device).double().sum()
        self.count = self.count + count.to(self.count.device).double().sum()

    def compute(self) -> Tensor:
        """Return the ratio; NaN if nothing was counted."""
        return (self.total / self.count).float()


def require_pictures(image: Tensor, channels: int) -> None:
    """Check that a batch is ``(B, channels, H, W)``.

    Raises:
        DataError: It has another shape.
    """
    if image.dim() != 4 or image.shape[1] != channels:
        raise DataError(f"expected pictures (B, {channels}, H, W), got {tuple(image.shape)}")


def require_pair(image: Tensor, target: Tensor, channels: int) -> None:
    """Check that two batches can be compared pixel by pixel.

    Raises:
        DataError: They are not both ``(B, channels, H, W)`` of the same shape.
    """
    require_pictures(image, channels)
    if image.shape != target.shape:
        raise DataError(
            f"pictures of {tuple(image.shape)} and their truth of {tuple(target.shape)} differ in shape; "
            "resize one to the other first"
        )


def require_mask(mask: Tensor, image: Tensor) -> None:
    """Check that a mask is ``(B, 1, H, W)`` with the B, H and W of a batch.

    Raises:
        DataError: It has another shape.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if tuple(mask.shape) != expected:
        raise DataError(f"expected a mask {expected} for these pictures, got {tuple(mask.shape)}")


def require_exemplars(image: Tensor, exemplar: Tensor, channels: int) -> None:
    """Check that each picture has an exemplar, which may have another size.

    Raises:
        DataError: The numbers differ, or a batch is not ``(B, channels, H, W)``.
    """
    require_pictures(image, channels)
    require_pictures(exemplar, channels)
    if len(image) != len(exemplar):
        raise DataError(f"expected an exemplar for each of {len(image)} results, got {len(exemplar)}")
