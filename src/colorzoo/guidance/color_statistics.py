"""Statistics of a whole picture: color histogram and mean saturation (Zhang et al. 2017, Global Hints)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import hull_centers, rgb_to_lab, soft_neighbors
from colorzoo.guidance.kinds import GlobalStatistics

REFERENCE_SIZE = 256
_CELL = 4  # ab is averaged over cells of this side before it is counted


def statistics_of(rgb: Tensor) -> GlobalStatistics:
    """Return histogram and saturation of reference pictures, as the authors take them.

    The picture is brought to 256 x 256 pixels first, so that its size does not matter.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """
    size = (REFERENCE_SIZE, REFERENCE_SIZE)
    small = F.interpolate(rgb, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    return GlobalStatistics(ab_histogram(rgb_to_lab(small)[:, 1:]), mean_saturation(small))


def ab_histogram(ab: Tensor) -> Tensor:
    """Return the share of each of the 313 bins, ``(B, 313)``.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units; averaged over cells of 4 x 4 pixels before counting, as in the
            authors' graph.
    """
    cells = F.avg_pool2d(ab, _CELL, ceil_mode=True)
    flat = cells.permute(0, 2, 3, 1).reshape(-1, 2)
    bins = soft_neighbors(flat, neighbors=1)[0].view(len(ab), -1)
    counts = ab.new_zeros(len(ab), len(hull_centers()))
    counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=ab.dtype))
    return counts / bins.shape[1]


def mean_saturation(rgb: Tensor) -> Tensor:
    """Return the mean HSV saturation, ``(B, 1)`` in [0, 1].

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """
    return pixel_saturation(rgb).mean(dim=(1, 2)).unsqueeze(1)


def pixel_saturation(rgb: Tensor) -> Tensor:
    """Return the HSV saturation, ``(B, H, W)`` in [0, 1], of ``(B, 3, H, W)`` in [0, 1]."""
    high, low = rgb.amax(dim=1), rgb.amin(dim=1)
    return (high - low) / high.clamp_min(1e-8)
