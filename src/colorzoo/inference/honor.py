"""Make a result honor its points: what the network missed at a point is added there and around it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points
from colorzoo.guidance.propagate import propagate

_MOST_CELLS = 64  # along the shorter side: the grid on which the rest is spread
_MANY_CELLS = 250  # cells with a point, beyond which the grid is twice as fine: 60 ms, felt in every edit
_FADE = 12.0  # at the coarse grid, cells over which the rest falls to a third where nothing stops it


def honor_points(ab: Tensor, luma: Tensor, points: Points) -> Tensor:
    """Move a prediction onto the given colors.

    The difference at the hinted pixels is spread over their neighborhood, up to edges of the lightness and
    fading with distance, and applied exactly at the hinted pixels.

    Args:
        ab: ``(1, 2, H, W)`` prediction in CIE units.
        luma: ``(1, 1, H, W)`` in [0, 100].
        points: The hints, same size.

    Returns:
        ``(1, 2, H, W)`` in CIE units.
    """
    if not points.mask.any():
        return ab
    height, width = ab.shape[-2:]
    cell = max(1, min(height, width) // _MOST_CELLS)
    cells = (-(-height // cell), -(-width // cell))
    refine = 2 if cell > 1 and _count(points, cells) > _MANY_CELLS else 1
    field = _spread(ab, luma, points, (refine * cells[0], refine * cells[1]), _FADE * refine)
    smooth = F.interpolate(field, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(points.mask > 0, points.ab, ab + smooth)


def _count(points: Points, cells: tuple[int, int]) -> int:
    return int((F.adaptive_avg_pool2d(points.mask, cells) > 0).sum())


def _spread(ab: Tensor, luma: Tensor, points: Points, cells: tuple[int, int], reach: float) -> Tensor:
    """Return ``(1, 2, *cells)``: what is missing at the points, spread over a grid of cells."""
    share = F.adaptive_avg_pool2d(points.mask, cells)
    missing = F.adaptive_avg_pool2d((points.ab - ab) * points.mask, cells) / share.clamp(min=1e-6)
    gray = F.adaptive_avg_pool2d(luma, cells)
    field = propagate(
        gray[0, 0].double().cpu().numpy(),
        missing[0].double().cpu().numpy(),
        (share[0, 0] > 0).cpu().numpy(),
        fade=0.4 / reach**2,
    )
    return torch.from_numpy(field)[None].to(ab)
