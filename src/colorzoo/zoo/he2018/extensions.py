"""Dense matching, which replaces the Deep Image Analogy (Liao et al. 2017) of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.blocks import cells
from colorzoo.networks.matching import best_matches
from colorzoo.zoo.he2018.matching import Size, pixel_grid, rows_of
from colorzoo.zoo.he2018.network import SCALES

_MATCHED_SCALES = SCALES[:-1]  # relu1_1 is not matched, as in Deep Image Analogy
# shifts (dx, dy), nearest first, so that the nearest position wins a tie
_SHIFTS = sorted(product(range(-2, 3), repeat=2), key=lambda shift: (math.hypot(*shift), shift))


def dense_matches(
    features: Sequence[Tensor], other_features: Sequence[Tensor], size: Size, other_size: Size
) -> Tensor:
    """Match every pixel with a position of another image, coarse to fine.

    The search covers all positions at relu5_1, then a window around the coarser match at each finer level
    down to relu2_1. Positions are compared by the cosine similarity of features that are averaged over 3 x 3
    positions and centered.

    Args:
        features: Five VGG-19 feature maps of the first image with the strides in `SCALES`.
        other_features: Five VGG-19 feature maps of the second image with the same strides.
        size: Height and width of the first image.
        other_size: Height and width of the second image.

    Returns:
        x and y coordinates ``(B, 2, H, W)`` int64, all inside the second image.
    """
    matches = _best_of_all(_directions(features[0]), _directions(other_features[0]))  # relu5_1
    for level, scale in enumerate(_MATCHED_SCALES[1:], start=1):
        map_size, other_map_size = _map_size(size, scale), _map_size(other_size, scale)
        matches = _enlarge(matches, map_size, other_map_size, times=2)
        matches = _best_nearby(_directions(features[level]), _directions(other_features[level]), matches)
    return _enlarge(matches, size, other_size, times=_MATCHED_SCALES[-1])


def _map_size(size: Size, scale: int) -> Size:
    """Return the height and width of a feature map with stride ``scale``."""
    return cells(size[0], scale), cells(size[1], scale)


def _best_of_all(query: Tensor, key: Tensor) -> Tensor:
    """Match each query position ``(B, C, H, W)`` with the most similar of all key positions."""
    best = best_matches(_rows(query), _rows(key))
    width = key.shape[3]
    matches = torch.stack([best % width, best // width], dim=1)  # x and y
    return matches.view(len(query), 2, *query.shape[-2:])


def _best_nearby(query: Tensor, key: Tensor, matches: Tensor) -> Tensor:
    """Replace each match with the most similar position in a window of 5 x 5 positions."""
    query_rows, key_rows = _rows(query), _rows(key)
    height, width = key.shape[-2:]
    best_match, best_score = matches, query.new_full((len(query), 1, *query.shape[-2:]), -torch.inf)
    for dx, dy in _SHIFTS:
        x = (matches[:, :1] + dx).clamp(0, width - 1)
        y = (matches[:, 1:] + dy).clamp(0, height - 1)
        candidate = torch.cat([x, y], dim=1)
        candidate_rows = _take(key_rows, rows_of(candidate, (height, width)).flatten(1))
        score = torch.linalg.vecdot(query_rows, candidate_rows).view(len(query), 1, *query.shape[-2:])
        best_match = torch.where(score > best_score, candidate, best_match)
        best_score = torch.maximum(score, best_score)
    return best_match


def _enlarge(matches: Tensor, size: Size, other_size: Size, times: int) -> Tensor:
    """Upsample matches to ``size``; keep each pixel's offset in its coarse cell."""
    fine = pixel_grid(size, matches.device)
    coarse_x, coarse_y = (fine // times)[0]
    enlarged = matches[:, :, coarse_y, coarse_x] * times + fine % times
    x = enlarged[:, :1].clamp(0, other_size[1] - 1)
    y = enlarged[:, 1:].clamp(0, other_size[0] - 1)
    return torch.cat([x, y], dim=1)


def _directions(features: Tensor) -> Tensor:
    """Average features over 3 x 3 positions, center them and scale them to length 1."""
    local = F.avg_pool2d(F.normalize(features, dim=1), 3, stride=1, padding=1, count_include_pad=False)
    return F.normalize(local - local.mean(dim=(2, 3), keepdim=True), dim=1)


def _rows(maps: Tensor) -> Tensor:
    """Reshape ``(B, C, H, W)`` to contiguous ``(B, H W, C)``."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def _take(rows: Tensor, positions: Tensor) -> Tensor:
    """Select ``(B, N, C)`` from rows ``(B, M, C)`` at indices ``(B, N)``."""
    first = torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]
    return rows.flatten(0, 1).index_select(0, (positions + first).flatten()).view(*positions.shape, -1)
