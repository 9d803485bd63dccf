"""Telling what a picture shows, as one more task of training (ours)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError

UNLABELED = -1
"""The label of a picture whose label is not known."""


class LabelHead(nn.Module):
    """Logits of a picture's labels from means and maxima of a map; weight files leave it out.

    Args:
        channels: Of the map.
        labels: How many labels there are.
    """

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2 * channels, labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, labels)`` for a map ``(B, C, h, w)``."""
        logits: Tensor = self.layer(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1).float())
        return logits


def label_cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy with the labels of a batch, mean over all its pictures; none counts 0.

    Args:
        logits: ``(B, N)``.
        batch: With ``label`` from -1 (unknown) to N - 1.

    Raises:
        ColorzooError: The data have no labels, or more than the head.
    """
    label = batch.get("label")
    if label is None or int(label.max()) >= logits.shape[1]:
        found = "none" if label is None else f"the label {int(label.max())}"
        raise ColorzooError(
            f"extensions.labels is {logits.shape[1]}, but the data have {found}: set it to the number of "
            "labels of the data (data.labels: true for ImageNet and Places; shards know theirs), or to 0."
        )
    total = F.cross_entropy(logits, label, ignore_index=UNLABELED, reduction="sum")
    return total / len(logits)
