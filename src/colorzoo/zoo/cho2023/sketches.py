"""The sketches of a training batch."""

from __future__ import annotations

from torch import Tensor

from colorzoo.color import rgb_to_gray, xdog
from colorzoo.data.dataset import Batch


def sketches_of(batch: Batch) -> Tensor:
    """Return the sketches of a batch; those of a data set without any are drawn from its pictures."""
    return batch["sketch"] if "sketch" in batch else xdog(rgb_to_gray(batch["rgb"]))
