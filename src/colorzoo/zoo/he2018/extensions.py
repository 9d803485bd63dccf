"""Dense matching, which replaces the Deep Image Analogy (Liao et al. 2017) of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.blocks import cells
from colorzoo.networks.matching import match
from colorzoo.zoo.he2018.matching import Size, pixel_grid, rows_of
from colorzoo.zoo.he2018.network import SCALES

_MATCHED = SCALES[:-1]  # relu1_1 is not matched, as in Deep Image Analogy
_BEST_ONLY = 1e-10  # softmax temperature that selects the best match


def dense_matches(ours: Sequence[Tensor], theirs: Sequence[Tensor], size: Size, other: Size) -> Tensor:
    """Match every pixel with a position of another image, coarse to fine.

    The search covers all positions at relu5_1, then a window around the coarser match at each finer level
    down to relu2_1. Positions are compared by the cosine similarity of features that are averaged over 3 x 3
    positions and centered.

    Args:
        ours: Five VGG-19 feature maps of the first image with the strides in `SCALES`.
        theirs: Five VGG-19 feature maps of the second image with the same strides.
        size: Height and width of the first image.
        other: Height and width of the second image.

    Returns:
        x and y coordinates ``(B, 2, H, W)`` int64, all inside the second image.
    """
    matches = _best_of_all(_directions(ours[0]), _directions(theirs[0]))
    for index, scale in enumerate(_MATCHED[1:], start=1):
        ours_size, theirs_size = ((cells(each[0], scale), cells(each[1], scale)) for each in (size, other))
        matches = _enlarge(matches, ours_size, theirs_size, 2)
        matches = _best_nearby(_directions(ours[index]), _directions(theirs[index]), matches)
    return _enlarge(matches, size, other, _MATCHED[-1])


def _best_of_all(ours: Tensor, theirs: Tensor) -> Tensor:
    positions = pixel_grid((theirs.shape[2], theirs.shape[3]), theirs.device).expand(len(theirs), -1, -1, -1)
    found = match(_rows(ours), _rows(theirs), _rows(positions), tau=_BEST_ONLY).values
    return found.round().long().transpose(1, 2).reshape(len(ours), 2, *ours.shape[-2:])


def _best_nearby(ours: Tensor, theirs: Tensor, matches: Tensor) -> Tensor:
    """Replace each match with the most similar position in a window of 5 x 5 positions."""
    rows, other = _rows(ours), _rows(theirs)
    height, width = theirs.shape[-2:]
    shifts = sorted((dx * dx + dy * dy, dx, dy) for dx, dy in product(range(-2, 3), range(-2, 3)))
    best, found = None, matches
    for _, dx, dy in shifts:  # nearest first, so that the nearest position wins a tie
        x = (matches[:, :1] + dx).clamp(0, width - 1)
        y = (matches[:, 1:] + dy).clamp(0, height - 1)
        candidate = torch.cat([x, y], dim=1)
        score = torch.linalg.vecdot(rows, _take(other, rows_of(candidate, (height, width)).flatten(1)))
        score = score.view(len(ours), 1, *ours.shape[-2:])
        found = candidate if best is None else torch.where(score > best, candidate, found)
        best = score if best is None else torch.maximum(score, best)
    return found


def _enlarge(matches: Tensor, size: Size, other: Size, times: int) -> Tensor:
    """Upsample matches; keep each pixel's offset in its coarse cell."""
    fine = pixel_grid(size, matches.device)
    coarse = fine // times
    found = matches[:, :, coarse[0, 1], coarse[0, 0]] * times + fine % times
    x, y = found[:, :1].clamp(0, other[1] - 1), found[:, 1:].clamp(0, other[0] - 1)
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
