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
    mask, ab = (pad_with_zeros(each, CELL) for each in (points.mask, points.ab * points.mask))
    hinted_fraction = F.avg_pool2d(mask, CELL).flatten(2)  # (B, 1, N)
    has_point = hinted_fraction[:, 0] > 0
    color = F.avg_pool2d(ab, CELL).flatten(2) / torch.where(hinted_fraction > 0, hinted_fraction, 1.0)
    point_bins = torch.unflatten(nearest_bin(color.mT.flatten(0, 1)), 0, has_point.shape)
    is_same_cluster = clusters[:, :, None] == clusters[:, None]
    cluster_has_point = (is_same_cluster & has_point[:, None]).any(dim=2)
    return (anchors & ~cluster_has_point) | has_point, torch.where(has_point, point_bins, bins)
