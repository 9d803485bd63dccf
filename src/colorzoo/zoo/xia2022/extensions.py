"""Extension of DISCO that is not in the paper: color points.

The registered model `xia2022` is a `PointColorization`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.bins import nearest_bin
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.blocks import pad_with_zeros
from colorzoo.zoo.xia2022.model import AnchorColorization
from colorzoo.zoo.xia2022.network import CELL, EncodedImage


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
