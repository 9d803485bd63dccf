"""Anchors of Xia et al. 2022: k-means of the cells of a picture, one anchor for each cluster, its color."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import hull_centers

ALTERNATIVES = 3
"""Different colorings that a picture has."""

_SIZE_WEIGHT = 0.01
_LIKELIEST = 10


def starts_of(draws: Tensor, count: int) -> Tensor:
    """Return one cell of each of k equal stretches of the cells, ``(B, k)`` int64.

    Args:
        draws: ``(B, k)`` uniform on [0, 1).
        count: Number of cells; some are taken twice if there are fewer than k.
    """
    stretches = torch.arange(draws.shape[1], device=draws.device)
    return ((stretches + draws) * (count / draws.shape[1])).long().clamp(max=count - 1)


def anchors_of(clusters: Tensor, sizes: Tensor, count: int) -> Tensor:
    """Return the anchor of each cluster, its member with the largest superpixel.

    Args:
        clusters: ``(B, N)`` int64.
        sizes: ``(B, N)``.
        count: Number of clusters.

    Returns:
        ``(B, N)`` bool, True at the anchors.
    """
    number = torch.arange(count, device=clusters.device)
    score = (clusters[..., None] == number).to(sizes) + _SIZE_WEIGHT * sizes[..., None]
    best = score.argmax(dim=1)
    place = torch.arange(clusters.shape[1], device=clusters.device)
    return (best[:, None] == place[:, None]).any(dim=2)


def anchor_bins(logits: Tensor) -> list[Tensor]:
    """Return three colors for each cell, ``(B, N)`` int64 bins each, by logits ``(B, 313, N)``.

    The likeliest bin; of the ten likeliest the one farthest from it; of these the one farthest from both.
    """
    bins = logits.topk(_LIKELIEST, dim=1).indices.mT  # (B, N, 10)
    colors = hull_centers().to(logits.device)[bins]
    away = torch.zeros_like(colors[..., 0])
    place = torch.zeros_like(bins[..., :1])
    chosen = [bins[..., 0]]
    for _ in range(ALTERNATIVES - 1):
        taken = colors.gather(2, place[..., None].expand(-1, -1, -1, 2))
        away = away + (colors - taken).square().sum(dim=3).sqrt()
        place = away.argmax(dim=2, keepdim=True)
        chosen.append(bins.gather(2, place)[..., 0])
    return chosen
