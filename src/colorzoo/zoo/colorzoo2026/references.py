"""References as observations of the colors of a picture, with less certainty the worse they match (ours).

Blocks of cells are matched by the features of the network, which sees the lightness of both pictures. The
variance of an observation is that of what the automatic answer misses times a learned factor, which is small
for good matches between related pictures and large for others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 2
"""Cells along each side of the blocks that are matched."""
STRENGTH = 2.5
"""Logarithm of the factor by which references weigh more than is best for pairs of all kinds."""
_TEMPERATURE = 0.02
_LEAST = 1e-3  # added to variances before their logarithm

# Of pairs of training photos: two halves of a photo, neighbors in an album, one category, unrelated.
_CENTERS = (0.85, 0.85, 0.85, -4.9, -3.0)
_FACTORS = (4.73, 26.47, 16.36, -0.43, 0.97)
_BIAS = -3.29


class Place(NamedTuple):
    """Output of the network for a batch of pictures, as maps of their cells.

    Attributes:
        features: ``(B, h, w, C)`` features.
        mean: ``(B, h, w, 2)`` automatic color, in any unit.
        variance: ``(B, h, w, 1)`` variance of what it misses.
    """

    features: Tensor
    mean: Tensor
    variance: Tensor


class Observed(NamedTuple):
    """Colors after a reference.

    Attributes:
        change: ``(B, h, w, 2)`` change of the mean.
        precision: ``(B, h, w, 1)`` of the reference's observations; 0 where it says nothing.
    """

    change: Tensor
    precision: Tensor


def observe_reference(place: Place, features: Tensor, colors: Tensor, alpha: float = 1.0) -> Observed:
    """Observe the colors of the blocks of a reference that are most alike.

    Args:
        place: The pictures; their sides are multiples of `BLOCK`.
        features: ``(B, h', w', C)`` features of the references.
        colors: ``(B, h', w', 2)`` their colors, in the unit of the mean.
        alpha: Strength, 0 to 1: the share of the way from the automatic answer to that with the reference.
    """
    grid = (place.mean.shape[1], place.mean.shape[2])
    blocks = _blocks(place.features)
    size = (blocks.shape[1], blocks.shape[2])
    mean, variance = (_blocks(part).flatten(1, 2) for part in (place.mean, place.variance))
    colors = _blocks(colors).flatten(1, 2)
    similarity = _directions(blocks) @ _directions(_blocks(features)).mT
    share = (similarity / _TEMPERATURE).softmax(-1)
    matched = share @ colors
    spread = (share @ colors.square() - matched.square()).clamp(min=0).sum(-1)
    best, back = similarity.amax(2), similarity.amax(1).mean(1, keepdim=True)
    quality = torch.stack(
        [
            best,
            best.mean(1, keepdim=True).expand_as(best),
            back.expand_as(best),
            (spread + _LEAST).log(),
            (variance[..., 0] + _LEAST).log(),
        ],
        dim=-1,
    )
    centered = quality - quality.new_tensor(_CENTERS)
    log_ratio = centered @ quality.new_tensor(_FACTORS) + _BIAS + STRENGTH
    gain = alpha * log_ratio.sigmoid()[..., None]
    change = gain * (matched - mean)
    precision = gain / ((1 - gain).clamp(min=math.exp(-6)) * variance)
    both = torch.cat([change, precision], dim=-1).mT.reshape(change.shape[0], 3, *size)
    wide = F.interpolate(both, grid, mode="bilinear").permute(0, 2, 3, 1)
    return Observed(wide[..., :2], wide[..., 2:])


def _blocks(maps: Tensor) -> Tensor:
    """Average maps ``(B, h, w, C)`` over blocks."""
    return F.avg_pool2d(maps.permute(0, 3, 1, 2), BLOCK).permute(0, 2, 3, 1)


def _directions(features: Tensor) -> Tensor:
    """Return ``(B, N, C)`` of length 1, each channel centered over the picture."""
    flat = features.flatten(1, 2)
    return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=-1)
