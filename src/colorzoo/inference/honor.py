"""Make a result honor its points: what the network missed at a point is added there and around it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points

_CELL = 4  # pixels per cell in which the rest is spread, more where that would be over 64 cells
_MOST_CELLS = 64  # along the shorter side
_AT_ONCE = 4096  # cells whose weights are held in memory together
_REACH = 0.04  # deviation of the spread, as a share of the mean side
_LUMA_REACH = 8.0  # deviation in lightness: the rest stays on its side of an edge


def honor_points(ab: Tensor, luma: Tensor, points: Points) -> Tensor:
    """Move a prediction onto the given colors.

    The difference at the hinted pixels is spread over their neighborhood with Gaussian weights in place and
    lightness, and applied exactly at the hinted pixels.

    Args:
        ab: ``(1, 2, H, W)`` prediction in CIE units.
        luma: ``(1, 1, H, W)`` in [0, 100].
        points: The hints, same size.

    Returns:
        ``(1, 2, H, W)`` in CIE units.
    """
    if not points.mask.any():
        return ab
    rest = (points.ab - ab) * points.mask
    height, width = ab.shape[-2:]
    cell = max(_CELL, min(height, width) // _MOST_CELLS)
    cells = (-(-height // cell), -(-width // cell))
    share = F.adaptive_avg_pool2d(points.mask, cells)
    color = F.adaptive_avg_pool2d(rest, cells) / share.clamp(min=1e-6)
    coarse_luma = F.adaptive_avg_pool2d(luma, cells)
    field = _spread(color[0], coarse_luma[0, 0], share[0, 0] > 0)
    smooth = F.interpolate(field[None], size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(points.mask > 0, points.ab, ab + smooth)


def _spread(color: Tensor, luma: Tensor, given: Tensor) -> Tensor:
    """Return ``(2, h, w)``: the rest of the given cells, fading with distance in place and lightness."""
    height, width = luma.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    reach = max(1.0, _REACH * (height + width) / 2)
    place = torch.stack([rows, columns], dim=-1).to(luma) / reach
    look = torch.cat([place, luma[..., None] / _LUMA_REACH], dim=-1).flatten(0, 1)
    near, colors = look[given.flatten()], color.flatten(1)[:, given.flatten()].T
    fields = []
    for part in torch.split(look, _AT_ONCE):
        weight = torch.exp(-0.5 * torch.cdist(part, near).square())
        fields.append(weight @ colors / weight.sum(dim=1, keepdim=True).clamp(min=1))
    return torch.cat(fields).T.view(2, height, width)
