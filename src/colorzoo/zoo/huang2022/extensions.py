"""Extension of UniColor that is not in the paper: hints from small points."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def small_points(covered: Tensor) -> Tensor:
    """Return the cells that receive a hint although points cover few pixels.

    The authors' demo ignores small points, such as a click. Here, the cell that a small point covers most
    gets a hint.

    Args:
        covered: Number of covered pixels in each cell, ``(B, 1, rows, columns)``.

    Returns:
        Boolean mask ``(B, 1, rows, columns)``, True for covered cells of which no adjacent cell has more
        covered pixels.
    """
    return (covered > 0) & (covered == F.max_pool2d(covered, 3, stride=1, padding=1))
