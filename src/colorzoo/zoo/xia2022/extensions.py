"""Extensions of DISCO that are not in the paper: color points, and a pixel loss.

The registered model `xia2022` is a `PointColorization`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.bins import nearest_bin
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.blocks import pad_with_zeros
from colorzoo.zoo.xia2022.model import AnchorColorization
from colorzoo.zoo.xia2022.network import AB_SCALE, CELL, EncodedImage


class PointColorization(AnchorColorization):
    """Colorization that propagates anchor colors and the colors of points.

    Each superpixel that contains color points becomes an anchor with the mean color of its points. Such a
    superpixel replaces the predicted anchor of its cluster.
    """

    accepts = frozenset({"points"})

    def anchors(self, encoded: EncodedImage, clusters: Tensor, guidance: Guidance) -> tuple[Tensor, Tensor]:
        """Return anchors and colors; superpixels with points replace predicted anchors."""
        anchors, bins = super().anchors(encoded, clusters, guidance)
        if guidance.points is None:
            return anchors, bins
        return with_points(anchors, bins, clusters, guidance.points)


def with_points(anchors: Tensor, bins: Tensor, clusters: Tensor, points: Points) -> tuple[Tensor, Tensor]:
    """Replace anchors in clusters that contain color points; return anchors and bins.

    Args:
        anchors: Mask ``(B, N)`` of the predicted anchors.
        bins: Colors ``(B, N)`` of the superpixels as bin indices.
        clusters: Cluster index ``(B, N)`` of each superpixel.
        points: Color points.
    """
    given, ab = (pad_with_zeros(each, CELL) for each in (points.mask, points.ab * points.mask))
    share, total = (F.avg_pool2d(each, CELL).flatten(2) for each in (given, ab))
    held = share[:, 0] > 0
    color = total / torch.where(share > 0, share, 1.0)
    chosen = torch.unflatten(nearest_bin(color.mT.flatten(0, 1)), 0, held.shape)
    covered = ((clusters[:, :, None] == clusters[:, None]) & held[:, None]).any(dim=2)
    return (anchors & ~covered) | held, torch.where(held, chosen, bins)


ImageLosses = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Function that returns weighted losses, by name, of Lab images and predicted ab / 110."""


def with_pixel_loss(losses: ImageLosses, weight: float, lab: Tensor, ab: Tensor) -> dict[str, Tensor]:
    """Return the losses of a function and the weighted L1 loss of ab / 110.

    Args:
        losses: Function that returns other losses.
        weight: Weight of the L1 loss.
        lab: Ground truth Lab ``(B, 3, H, W)``.
        ab: Predicted ab / 110, ``(B, 2, H, W)``.
    """
    return {**losses(lab, ab), "pixels": weight * F.l1_loss(ab, lab[:, 1:] / AB_SCALE)}
