"""Enlarging a coarse map of colors along the edges of a lightness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_STEP = 5.0  # units of L between the levels of the grid; cells count whose L is less than two steps away
_CALM = 10.0  # squared units of L: where it varies less, bicubic interpolation prevails
_LEAST = 0.02  # weight of bicubic interpolation, which decides alone where no cell has such a lightness


def enlarge_along_edges(ab: Tensor, light: Tensor, lightness: Tensor) -> Tensor:
    """Enlarge a map so that its colors change where the lightness does.

    Examples:
        >>> ab, lightness = torch.rand(1, 2, 8, 8), torch.rand(1, 1, 32, 32) * 100
        >>> light = torch.nn.functional.avg_pool2d(lightness, 4)
        >>> enlarge_along_edges(ab, light, lightness).shape
        torch.Size([1, 2, 32, 32])

    A pixel takes the mean color of the cells around it that are about as light, computed by a bilateral grid
    (Chen et al. 2007, "Real-time edge-aware image processing with the bilateral grid"): cells are added up by
    place and lightness, and pixels read the sums between the nodes of that grid. A cell across an edge has a
    lightness between both sides and counts for neither. Where the lightness is constant, the result is that
    of bicubic interpolation; a constant map stays constant.

    Args:
        ab: ``(B, C, h, w)``, any values.
        light: ``(B, 1, h, w)``, mean lightness of the cells in [0, 100].
        lightness: ``(B, 1, H, W)`` in [0, 100].

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

        centered = light - light.mean(dim=(2, 3), keepdim=True)  # squares of small numbers are exact
        moments = torch.cat([torch.ones_like(light), centered, centered.square()], dim=1)
        weight, mean, square = (rows @ moments @ columns.T).chunk(3, dim=1)
        variance = (square / weight - (mean / weight).square()).clamp(min=0)
        variance = F.interpolate(variance, size, mode="bilinear", align_corners=True)
        return plain + variance / (variance + _CALM) * (alike - plain)


def _gaussians(cells: int, like: Tensor) -> Tensor:
    """Return the weights ``(cells + 1, cells)`` of cells for their borders, with a deviation of one cell.

    A wider one drains color from faces into backgrounds of their lightness.
    """
    away = torch.arange(cells + 1, device=like.device)[:, None] - torch.arange(cells, device=like.device)
    return torch.exp(-0.5 * (away - 0.5).square()).to(like)


def _read_grid(sums: Tensor, level: Tensor) -> Tensor:
    """Interpolate linearly between the nodes of a grid.

    Its levels are put below each other as one picture, which devices without sampling in 3D can read too.

    Args:
        sums: ``(B, C, levels, rows, columns)``; the outer nodes lie on the border of the picture.
        level: ``(B, 1, H, W)``, the fractional level of each pixel.

    Returns:
        ``(B, C, H, W)``.
    """
    count, rows = sums.shape[2:4]
    y, x = (((torch.arange(side, device=level.device) + 0.5) / side).to(level) for side in level.shape[2:])
    column = (2 * x - 1).expand_as(level[:, 0])
    row = (y * (rows - 1))[:, None]
    below = level[:, 0].floor().clamp(0, count - 2)
    stacked = sums.flatten(2, 3)

    def read(number: Tensor) -> Tensor:
        place = 2 * (number * rows + row) / (count * rows - 1) - 1
        return F.grid_sample(stacked, torch.stack([column, place], dim=-1), align_corners=True)

    return torch.lerp(read(below), read(below + 1), (level[:, 0] - below)[:, None])
