"""Intersection of the color histograms of results and exemplars."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color.bins import grid_index
from colorzoo.errors import DataError
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_images

BINS = 529  # a 23 x 23 grid over ab with a spacing of 10 CIE units


def ab_histogram(ab: Tensor) -> Tensor:
    """Return the histogram ``(B, 529)`` of ab ``(B, 2, H, W)`` over the grid bins, with sum 1."""
    bins = grid_index(ab.float()).flatten(1)
    counts = torch.zeros(len(ab), BINS, device=ab.device)
    return counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32)) / bins.shape[1]


def histogram_intersection(ab: Tensor, reference_ab: Tensor) -> Tensor:
    """Return the intersection of the color histograms of results and exemplars.

    Examples:
        >>> ab = torch.full((2, 2, 8, 8), 20.0)
        >>> histogram_intersection(ab, ab[:, :, :4])
        tensor([1., 1.])

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        reference_ab: ``(B, 2, h, w)`` in CIE units; the size may differ from ``ab``.

    Returns:
        ``(B,)`` in [0, 1]; 1 for equal histograms.
    """
    return torch.minimum(ab_histogram(ab), ab_histogram(reference_ab)).sum(dim=1)


class HistogramIntersection(ColorMetric):
    """Mean `histogram_intersection` of results and their exemplars, in [0, 1].

    Examples:
        >>> ab = torch.full((2, 2, 8, 8), 20.0)
        >>> HistogramIntersection()(ab, -ab)
        tensor(0.)
    """

    names = {"histogram_intersection": {}}
    outputs = (Output("hist_ab529_reference_mean", "Histogram int.", "", "higher", mean_of_moments),)
    higher_is_better = True
    is_differentiable = False

    def update(self, ab: Tensor, reference_ab: Tensor) -> None:
        """Add results and exemplars; see `histogram_intersection`.

        Raises:
            DataError: The numbers of results and exemplars differ, or a batch does not have two channels.
        """
        for images in (ab, reference_ab):
            require_images(images, 2, values=self.validate_args)
        if len(ab) != len(reference_ab):
            raise DataError(
                f"reference_ab must contain as many images as ab ({len(ab)}), got {len(reference_ab)}"
            )
        self.add(histogram_intersection(ab, reference_ab))
