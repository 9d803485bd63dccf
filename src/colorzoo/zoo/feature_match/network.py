"""The nearest neighbor of each place of a picture among all places of an exemplar."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CELL = 4
"""Pixels along the side of a place."""

# places that are compared with all others at once: memory grows with the picture, not its square
_CHUNK = 1024


def window_features(gray: Tensor) -> Tensor:
    """Return what places look like without any network, ``(B, 16, H/4, W/4)``: their own pixels."""
    return F.pixel_unshuffle(gray, CELL)


def match_colors(target: Tensor, source: Tensor, ab: Tensor) -> Tensor:
    """Take the color of the place with the nearest features, by the angle between them.

    Args:
        target: ``(B, C, h, w)`` features of the picture.
        source: ``(B, C, h', w')`` features of the exemplar.
        ab: ``(B, 2, h', w')`` colors of its places.

    Returns:
        ``(B, 2, h, w)``.
    """
    query, key = _directions(target), _directions(source)
    colors = ab.flatten(2)
    found = []
    for part in torch.split(query, _CHUNK, dim=1):
        nearest = (part @ key.transpose(1, 2)).argmax(dim=2)
        found.append(colors.gather(2, nearest[:, None].expand(-1, 2, -1)))
    return torch.cat(found, dim=2).view(ab.shape[0], 2, *target.shape[-2:])


def _directions(features: Tensor) -> Tensor:
    """Return ``(B, N, C)`` of length 1, each channel centered over the places."""
    flat = features.flatten(2).float()
    return F.normalize(flat - flat.mean(dim=2, keepdim=True), dim=1).transpose(1, 2)
