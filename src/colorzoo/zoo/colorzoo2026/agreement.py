"""Agreement: cells that belong together get one color (ours).

The mean of a distribution over *brown or blue or red* is brown. But the cells of a thing share one color, so
their distributions multiply: the geometric mean is sharp where the cells agree, and a color that only some of
them expect drops out. The learned covariance tells which cells belong together. Differences between the cells
of a thing stay as the network predicts them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.colorzoo2026.points import Cells, cell_correlation

SHARPNESS = 2.0
"""Exponent of the correlation; with a greater one fewer cells decide together."""
COLORFULNESS = 1.42
"""Factor on decided colors of the chroma `CHROMA`: means over uncertain colors are too pale."""
EXPONENT = 0.85
"""Of the chroma: pale colors gain most, so that the same colorfulness costs a smaller error."""
CHROMA = 0.25
"""Chroma, ab / 50, at which the exponent changes nothing."""
LEAST_CHROMA = 0.02
"""Added to the chroma, so that gray stays gray: 1 CIE unit."""
POOL = 4
"""Side of the blocks of cells that are averaged first, which takes a ninth of the time."""
_ALIGNED = 16  # columns; a matrix product of another number of them takes twice the time


def agree(mean: Tensor, logits: Tensor, cells: Cells, grid: tuple[int, int], centers: Tensor) -> Tensor:
    """Return the colors of cells, where those that belong together agree on one.

    Args:
        mean: ``(B, N, 2)`` mean color that the network predicts for each cell, ab / 50.
        logits: ``(B, N, 313)`` distribution of each cell.
        cells: Embedding of the cells.
        grid: Rows and columns of cells, multiples of 4.
        centers: ``(313, 2)`` centers of the bins, ab / 50.

    Returns:
        ``(B, N, 2)``, ab / 50.
    """
    asked = Cells(*(_pool(values, grid) for values in cells))
    share = cell_correlation(cells, asked).clamp(min=1e-6) ** SHARPNESS
    share = share / share.sum(-1, keepdim=True)
    pooled = torch.cat([_pool(logits.log_softmax(-1), grid), _pool(mean, grid)], dim=-1)
    shared = share @ F.pad(pooled, (0, -pooled.shape[-1] % _ALIGNED))
    bins = logits.shape[-1]
    decided = shared[..., :bins].softmax(-1) @ centers
    found: Tensor = decided + mean - shared[..., bins : bins + 2]
    return found


def enliven(colors: Tensor) -> Tensor:
    """Give decided colors more chroma, pale ones the most; hues stay.

    Args:
        colors: ``(B, N, 2)``, ab / 50.
    """
    chroma = torch.linalg.vector_norm(colors, dim=-1, keepdim=True)
    vivid: Tensor = COLORFULNESS * ((chroma + LEAST_CHROMA) / CHROMA) ** (EXPONENT - 1) * colors
    return vivid


def _pool(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the means ``(B, N / 16, ...)`` of blocks of cells of ``(B, N, ...)``."""
    maps = values.flatten(2).mT.reshape(values.shape[0], -1, *grid)
    pooled = F.avg_pool2d(maps, POOL).flatten(2).mT
    return pooled.reshape(*pooled.shape[:2], *values.shape[2:])
