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
        plain = F.interpolate(ab, size, mode="bicubic")
        rows, columns = (_gaussians(cells, lightness) for cells in ab.shape[2:])

        levels = torch.arange(0, 100 + _STEP, _STEP, device=lightness.device).view(-1, 1, 1)
        near = (1 - (light - levels).abs() / _STEP).clamp(min=0)
        sums = rows @ (near[:, None] * torch.cat([ab, torch.ones_like(light)], dim=1)[:, :, None]) @ columns.T
        found = _read_grid(sums, lightness / _STEP)
        alike = (found[:, :-1] + _LEAST * plain) / (found[:, -1:] + _LEAST)
        variance = _smoothed_variance(light, rows, columns)
        variance = F.interpolate(variance, size, mode="bilinear", align_corners=True)
        return plain + variance / (variance + _CALM) * (alike - plain)


def _smoothed_variance(light: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the variance of the cell lightness around each grid node.

    Args:
        light: ``(B, 1, h, w)``, mean lightness of each cell.
        rows: ``(h + 1, h)``, weights of the cells for each row of nodes.
        columns: ``(w + 1, w)``, weights of the cells for each column of nodes.

    Returns:
        ``(B, 1, h + 1, w + 1)``.
    """
    centered = light - light.mean(dim=(2, 3), keepdim=True)  # avoids cancellation
    moments = torch.cat([torch.ones_like(light), centered, centered.square()], dim=1)
    weight, mean, square = (rows @ moments @ columns.T).chunk(3, dim=1)
    return (square / weight - (mean / weight).square()).clamp(min=0)


def _gaussians(cells: int, like: Tensor) -> Tensor:
    """Return Gaussian weights ``(cells + 1, cells)`` of all cells at each edge between cells.

    The standard deviation is the side of a cell. With a larger deviation, colors of faces bleed into
    backgrounds of equal lightness.
    """
    away = torch.arange(cells + 1, device=like.device)[:, None] - torch.arange(cells, device=like.device)
    return torch.exp(-0.5 * (away - 0.5).square()).to(like)


def _read_grid(sums: Tensor, level: Tensor) -> Tensor:
    """Interpolate the bilateral grid trilinearly at the position and lightness of each pixel.

    The lightness levels are stacked vertically into one 2D map, because some devices do not support
    ``grid_sample`` in 3D.

    Args:
        sums: ``(B, C, levels, rows, columns)``; the outer nodes lie on the image border.
        level: ``(B, 1, H, W)``, lightness of each pixel in units of grid levels, not rounded.

    Returns:
        ``(B, C, H, W)``.
    """
    count, rows = sums.shape[2:4]
    y, x = (((torch.arange(side, device=level.device) + 0.5) / side).to(level) for side in level.shape[2:])
    column = (2 * x - 1).expand_as(level[:, 0])
    row = (y * (rows - 1))[:, None]
    below = level[:, 0].floor().clamp(0, count - 2)
    stacked = sums.flatten(2, 3)
    samples = []
    for number in (below, below + 1):
        place = 2 * (number * rows + row) / (count * rows - 1) - 1
        samples.append(F.grid_sample(stacked, torch.stack([column, place], dim=-1), align_corners=True))
    return torch.lerp(samples[0], samples[1], (level[:, 0] - below)[:, None])
