"""Color statistics of images (Global Hints of Zhang et al. 2017) and of regions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.color.bins import soft_neighbors
from colorzoo.guidance.hints import GlobalStatistics

_SIZE = 256  # pixels; images are resized so that statistics do not depend on the image size
_CELL = 4  # side in pixels of the cells over which ab is averaged


def statistics_of(rgb: Tensor, opacity: Tensor | None = None) -> GlobalStatistics:
    """Compute the color histogram and the mean saturation of images.

    Examples:
        >>> statistics_of(torch.rand(2, 3, 64, 64)).histogram.shape
        torch.Size([2, 313])

    Images are first resized to 256 x 256 pixels, as in the code of Zhang et al. (2017).

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        opacity: Weight ``(B, 1, H, W)`` of each pixel in [0, 1], not 0 for all pixels of an image; None gives
            equal weights.
    """
    size = (_SIZE, _SIZE)
    small = F.interpolate(rgb, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    if opacity is not None:
        opacity = F.interpolate(opacity, size=size, mode="bilinear", antialias=True)
    return GlobalStatistics(ab_histogram(rgb_to_lab(small)[:, 1:], opacity), mean_saturation(small, opacity))


def ab_histogram(ab: Tensor, opacity: Tensor | None = None) -> Tensor:
    """Compute the histogram of ab over the 313 color bins.

    Examples:
        >>> ab_histogram(torch.zeros(2, 2, 32, 32)).shape
        torch.Size([2, 313])

    Each cell of 4 x 4 pixels is assigned to the bin nearest to its mean ab, as in the network of Zhang et al.
    (2017).

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        opacity: Weight ``(B, 1, H, W)`` of each pixel; None gives equal weights.

    Returns:
        ``(B, 313)`` fraction of cells in each bin.
    """
    cells = F.avg_pool2d(ab, _CELL, ceil_mode=True)
    cell_colors = cells.permute(0, 2, 3, 1).reshape(-1, 2)
    nearest_bins, _ = soft_neighbors(cell_colors, neighbors=1)
    bins = nearest_bins.view(len(ab), -1)  # (B, cells)
    weights = torch.ones_like(bins, dtype=ab.dtype)
    if opacity is not None:
        weights = F.avg_pool2d(opacity, _CELL, ceil_mode=True).flatten(1)
    counts = ab.new_zeros(len(ab), len(hull_centers()))
    counts.scatter_add_(1, bins, weights)
    return counts / weights.sum(dim=1, keepdim=True)


def mean_saturation(rgb: Tensor, opacity: Tensor | None = None) -> Tensor:
    """Return the mean HSV saturation ``(B, 1)`` in [0, 1] of images.

    Examples:
        >>> mean_saturation(torch.ones(2, 3, 8, 8)).flatten()
        tensor([0., 0.])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        opacity: Weight ``(B, 1, H, W)`` of each pixel; None gives equal weights.
    """
    saturation = pixel_saturation(rgb)
    if opacity is None:
        return saturation.mean(dim=(1, 2)).unsqueeze(1)
    weights = opacity[:, 0] / opacity.sum(dim=(2, 3), keepdim=True)[:, 0]
    return (saturation * weights).sum(dim=(1, 2)).unsqueeze(1)


def pixel_saturation(rgb: Tensor) -> Tensor:
    """Return the HSV saturation ``(B, H, W)`` in [0, 1] of RGB ``(B, 3, H, W)`` in [0, 1]."""
    high, low = rgb.amax(dim=1), rgb.amin(dim=1)
    return (high - low) / high.clamp_min(1e-8)


def region_means(index: Tensor, rgb: Tensor, regions: int) -> tuple[Tensor, Tensor]:
    """Compute the mean color and the size of each region.

    Args:
        index: ``(B, 1, H, W)`` int64: region index of each pixel.
        rgb: ``(B, 3, H, W)`` in [0, 1].
        regions: Number of regions N.

    Returns:
        Mean colors ``(B, N, 3)`` in [0, 1] and sizes ``(B, N)`` in pixels. Empty regions are black.
    """
    flat = index.flatten(2)
    pixels = rgb.new_zeros(len(index), regions)
    pixels = pixels.scatter_add_(1, flat[:, 0], torch.ones_like(flat[:, 0]).float())
    sums = rgb.new_zeros(len(index), 3, regions).scatter_add_(2, flat.expand(-1, 3, -1), rgb.flatten(2))
    return (sums / pixels.clamp(min=1)[:, None]).transpose(1, 2), pixels
