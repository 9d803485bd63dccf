"""Edge-aware upsampling of coarse color maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_STEP = 5.0  # L units between grid levels; cells less than two levels away contribute
_CALM = 10.0  # variance of L (squared units) below which bicubic interpolation dominates
_LEAST = 0.02  # weight of the bicubic fallback where no cell has a similar lightness


def enlarge_along_edges(ab: Tensor, light: Tensor, lightness: Tensor) -> Tensor:
    """Upsample a color map so that its edges align with the lightness edges.

    Examples:
        >>> ab, lightness = torch.rand(1, 2, 8, 8), torch.rand(1, 1, 32, 32) * 100
        >>> light = torch.nn.functional.avg_pool2d(lightness, 4)
        >>> enlarge_along_edges(ab, light, lightness).shape
        torch.Size([1, 2, 32, 32])

    A cell is an element of the coarse map ``ab``. The color of a pixel is the mean color of nearby cells with
    similar lightness. The function computes this mean with a bilateral grid (Chen et al. 2007, "Real-time
    edge-aware image processing with the bilateral grid"). A cell that crosses an edge contributes to neither
    side of the edge, because its mean lightness lies between the two sides. Where the lightness is constant,
    the result equals bicubic interpolation.

    Args:
        ab: ``(B, C, h, w)``, coarse color map.
        light: ``(B, 1, h, w)``, mean lightness of each cell in [0, 100].
        lightness: ``(B, 1, H, W)``, lightness of each pixel in [0, 100].

    Returns:
        ``(B, C, H, W)`` float32.
    """
    with torch.autocast(lightness.device.type, enabled=False):
        ab, light, lightness = ab.float(), light.float(), lightness.float()
        size = lightness.shape[2:]
        bicubic = F.interpolate(ab, size, mode="bicubic")

        # fill the grid: weighted sums of color, with the sum of weights in the last channel
        row_weights, column_weights = (_gaussians(cells, lightness) for cells in ab.shape[2:])
        levels = torch.arange(0, 100 + _STEP, _STEP, device=lightness.device).view(-1, 1, 1)
        level_weights = (1 - (light - levels).abs() / _STEP).clamp(min=0)  # of the two nearest levels
        color_and_one = torch.cat([ab, torch.ones_like(light)], dim=1)
        weighted_cells = level_weights[:, None] * color_and_one[:, :, None]  # (B, C + 1, levels, h, w)
        grid = row_weights @ weighted_cells @ column_weights.T

        # read the grid at each pixel and divide by the weights
        sums = _read_grid(grid, lightness / _STEP)
        edge_aware = (sums[:, :-1] + _LEAST * bicubic) / (sums[:, -1:] + _LEAST)

        # use bicubic interpolation where the lightness of the cells around a grid node is nearly constant
        centered = light - light.mean(dim=(2, 3), keepdim=True)  # avoids cancellation
        moments = torch.cat([torch.ones_like(light), centered, centered.square()], dim=1)
        weight, mean, square = (row_weights @ moments @ column_weights.T).chunk(3, dim=1)
        variance = (square / weight - (mean / weight).square()).clamp(min=0)  # at the nodes
        variance = F.interpolate(variance, size, mode="bilinear", align_corners=True)
        edge_aware_share = variance / (variance + _CALM)
        return bicubic + edge_aware_share * (edge_aware - bicubic)


def _gaussians(cells: int, like: Tensor) -> Tensor:
    """Return Gaussian weights ``(cells + 1, cells)`` of all cells at each edge between cells.

    The standard deviation is the side of a cell. With a larger deviation, colors of faces bleed into
    backgrounds of equal lightness.
    """
    away = torch.arange(cells + 1, device=like.device)[:, None] - torch.arange(cells, device=like.device)
    return torch.exp(-0.5 * (away - 0.5).square()).to(like)


def _read_grid(grid: Tensor, level: Tensor) -> Tensor:
    """Interpolate the bilateral grid trilinearly at the position and lightness of each pixel.

    The lightness levels are stacked vertically into one 2D map, because some devices do not support
    ``grid_sample`` in 3D.

    Args:
        grid: ``(B, C, levels, rows, columns)``; the outer nodes lie on the image border.
        level: ``(B, 1, H, W)``, lightness of each pixel in units of grid levels, not rounded.

    Returns:
        ``(B, C, H, W)``.
    """
    level_count, row_count = grid.shape[2:4]
    stacked = grid.flatten(2, 3)  # (B, C, levels * rows, columns)
    height, width = level.shape[2:]
    # pixel centers as fractions of the image height and width
    y = ((torch.arange(height, device=level.device) + 0.5) / height).to(level)
    x = ((torch.arange(width, device=level.device) + 0.5) / width).to(level)
    grid_row = (y * (row_count - 1))[:, None]  # (H, 1), not rounded
    sample_x = (2 * x - 1).expand_as(level[:, 0])  # in [-1, 1], as grid_sample requires
    lower_level = level[:, 0].floor().clamp(0, level_count - 2)
    samples = []  # at the level below and the level above each pixel
    for grid_level in (lower_level, lower_level + 1):
        stacked_row = grid_level * row_count + grid_row
        sample_y = 2 * stacked_row / (level_count * row_count - 1) - 1  # in [-1, 1]
        samples.append(F.grid_sample(stacked, torch.stack([sample_x, sample_y], dim=-1), align_corners=True))
    return torch.lerp(samples[0], samples[1], (level[:, 0] - lower_level)[:, None])
