"""Extension of DISCO that is not in the paper: color points.

The registered model `xia2022` is a `PointColorization`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Guidance, Points
from colorzoo.networks.blocks import pad_with_zeros
from colorzoo.zoo.xia2022.model import AnchorColorization
from colorzoo.zoo.xia2022.network import CELL, EncodedImage, bins_of


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
    # mean color of the points in each superpixel's cell
    mask, ab = (pad_with_zeros(each, CELL) for each in (points.mask, points.ab * points.mask))
    hinted_fraction = F.avg_pool2d(mask, CELL)  # (B, 1, h, w)
    mean_ab = F.avg_pool2d(ab, CELL) / torch.where(hinted_fraction > 0, hinted_fraction, 1.0)
    point_bins = bins_of(mean_ab).flatten(1)  # (B, N)

    has_point = hinted_fraction.flatten(1) > 0  # (B, N)
    is_same_cluster = clusters[:, :, None] == clusters[:, None]
    cluster_has_point = (is_same_cluster & has_point[:, None]).any(dim=2)
    return (anchors & ~cluster_has_point) | has_point, torch.where(has_point, point_bins, bins)
