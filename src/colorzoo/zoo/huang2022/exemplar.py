"""Hints of an exemplar: the matching of Zhang et al. 2019, unchanged, at the authors' size.

Picture and exemplar are squashed to 432 x 768, of which half the size is matched.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.networks.exemplar_features import Trunk
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features

_TAU = 0.01
_BOOST = 1.25  # of the warped ab
_HALF = 2


class WarpedExemplar(NamedTuple):
    """An exemplar at the places of a picture.

    Attributes:
        lab: ``(B, 3, h, w)``, a place for eight pixels of the squashed picture.
        similarity: ``(B, 1, h, w)`` cosines.
        lightness: ``(B, 1, H, W)``, the lightness of the squashed picture.
    """

    lab: Tensor
    similarity: Tensor
    lightness: Tensor

    def picture(self) -> Tensor:
        """Return RGB ``(B, 3, H, W)`` in [0, 1]: the picture in the warped colors, which are raised."""
        # as published: nearest to half the size, then bilinear
        ab = F.interpolate(self.lab[:, 1:], scale_factor=STRIDE)
        ab = F.interpolate(ab, scale_factor=_HALF, mode="bilinear")
        return lab_to_rgb(torch.cat([self.lightness, _BOOST * ab], dim=1))


class Matcher(nn.Module):
    """The frozen matching of Zhang et al. 2019.

    Args:
        features: Its trunk.
        correspondence: Makes the maps that are matched from the trunk's.
    """

    def __init__(self, features: Trunk, correspondence: WarpNet) -> None:
        super().__init__()
        self.features, self.correspondence = features, correspondence

    def forward(self, lightness: Tensor, exemplar: Tensor) -> WarpedExemplar:
        """Warp an exemplar.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100], sides multiples of 16.
            exemplar: RGB ``(B, 3, H, W)`` in [0, 1].
        """
        small = F.avg_pool2d(lightness, _HALF)
        lab = F.avg_pool2d(rgb_to_lab(exemplar), _HALF)
        ours, theirs = (
            self.correspondence(unit_features(each.taps))
            for each in (self.features.of_lightness(small), self.features.of_rgb(lab_to_rgb(lab)))
        )
        found = self.correspondence.warp(ours, theirs, F.avg_pool2d(lab, STRIDE), tau=_TAU)
        return WarpedExemplar(found.values, found.similarity, lightness)
