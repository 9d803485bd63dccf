"""How much of an exemplar's colors a result uses: intersection of ab histograms."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import grid_index
from colorzoo.errors import DataError
from colorzoo.metrics.checks import require_pictures
from colorzoo.metrics.mean import PictureMean

BINS = 529  # the 23 x 23 grid over ab, 10 CIE units wide


def ab_histogram(ab: Tensor) -> Tensor:
    """Return the ``(B, 529)`` share of each bin of the ab grid in each of ``(B, 2, H, W)`` pictures."""
    bins = grid_index(ab.float()).flatten(1)
    counts = torch.zeros(len(ab), BINS, device=ab.device)
    return counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32)) / bins.shape[1]


def histogram_intersection(ab: Tensor, reference_ab: Tensor) -> Tensor:
    """Return the intersection of the color histograms of results and exemplars.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        reference_ab: ``(B, 2, h, w)`` in CIE units; it may have another size.

    Returns:
        ``(B,)`` in [0, 1]; 1 if both use the same colors equally often.
    """
    return torch.minimum(ab_histogram(ab), ab_histogram(reference_ab)).sum(dim=1)


class HistogramIntersection(PictureMean):
    """Mean over pictures of `histogram_intersection` with their exemplars."""

    higher_is_better = True
    is_differentiable = False

    def update(self, ab: Tensor, reference_ab: Tensor) -> None:
        """Add pictures; see `histogram_intersection`.

        Raises:
            DataError: Not as many exemplars as results, or either is no ab.
        """
        require_pictures(ab, 2)
        require_pictures(reference_ab, 2)
        if len(ab) != len(reference_ab):
            raise DataError(f"expected an exemplar for each of {len(ab)} results, got {len(reference_ab)}")
        self.add(histogram_intersection(ab, reference_ab))
