"""Cluster Discrepancy Ratio of whole batches on any device, nearly equal to the exact one of `cdr`."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import DataError
from colorzoo.metrics.batched_edges import batched_edges
from colorzoo.metrics.batched_slic import batched_clusters
from colorzoo.metrics.cdr import DiscrepancyMean
from colorzoo.metrics.checks import require_mask, require_pair, require_pictures
from colorzoo.metrics.clusters import CDRSettings

# At once: on a CPU what its cache holds, elsewhere what keeps it busy.
PLANES_ON_CPU, PLANES_ELSEWHERE = 2, 64


@dataclass(frozen=True)
class BatchedTruth:
    """The part of the batched Cluster Discrepancy Ratio that depends on true pictures alone.

    Computed once by `batched_truth`, it serves every method that is measured against the same truth.

    Attributes:
        labels: ``(B, 2, H, W)`` int32 cluster of each pixel in a and in b, above 0.
        edges: ``(B, 2, H, W)`` bool, Canny edges of a and of b.
        settings: With what they were found, and with what a prediction will be clustered.
    """

    labels: Tensor
    edges: Tensor
    settings: CDRSettings = field(default_factory=CDRSettings)


def batched_truth(ab: Tensor, settings: CDRSettings | None = None) -> BatchedTruth:
    """Find the clusters and edges of true pictures on their device.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        settings: Defaults to the published ones.

    Raises:
        DataError: Not ``(B, 2, H, W)``, or not finite.
    """
    settings = settings or CDRSettings()
    edges = [batched_edges(planes, settings) for planes in _chunks(ab)]
    return BatchedTruth(_clusters(ab, settings), torch.cat(edges).view(ab.shape), settings)


def batched_discrepancy(ab: Tensor, truth: BatchedTruth, region: Tensor | None = None) -> Tensor:
    """Return the Cluster Discrepancy Ratio of pictures in a and in b, as `cluster_discrepancy` of each does.

    Clusters differ from the exact ones where small clusters join a neighbor; ``python -m benchmarks metrics``
    measures how little that changes the ratio.

    Args:
        ab: ``(B, 2, H, W)`` results in CIE units.
        truth: Of the true pictures, on the same device; see `batched_truth`.
        region: ``(B, 1, H, W)``; only edge pixels where it is not 0 are scored.

    Returns:
        ``(B, 2)`` float64 in [0, 1], higher is better; NaN for a plane without an edge (there).

    Raises:
        DataError: The shapes differ, or a result is not finite.
    """
    if ab.shape != truth.edges.shape:
        raise DataError(f"results of {tuple(ab.shape)} do not fit their truth of {tuple(truth.edges.shape)}")
    edges = truth.edges if region is None else truth.edges & (region != 0)
    labels = _clusters(ab, truth.settings)
    planes = [part.flatten(0, 1) for part in (truth.labels, labels, edges)]
    return _mean_scores(*planes, kernel_size=truth.settings.kernel_size).view(len(ab), 2)


def _clusters(ab: Tensor, settings: CDRSettings) -> Tensor:
    labels = [batched_clusters(planes, settings).int() for planes in _chunks(ab)]
    return torch.cat(labels).view(ab.shape)


def _chunks(ab: Tensor) -> tuple[Tensor, ...]:
    require_pictures(ab, 2)
    planes = ab.detach().float().flatten(0, 1)
    if not bool(planes.isfinite().all()):
        raise DataError("the ab of a picture holds NaN or infinite values, so it has no clusters")
    at_once = PLANES_ON_CPU if ab.device.type == "cpu" else PLANES_ELSEWHERE
    return torch.split(planes, at_once)


def _mean_scores(truth: Tensor, result: Tensor, edges: Tensor, *, kernel_size: int) -> Tensor:
    """Return the ``(P,)`` means of `edge_scores` of planes ``(P, H, W)``; NaN without an edge."""
    margin = (kernel_size,) * 4
    height, width = (side + 2 * kernel_size for side in edges.shape[1:])
    plane, row, column = edges.nonzero(as_tuple=True)
    middle = (plane * height + row + kernel_size) * width + column + kernel_size
    truth, result = (F.pad(part, margin).flatten() for part in (truth, result))
    truth_here, result_here = truth[middle], result[middle]
    others, merged = (torch.zeros_like(middle) for _ in range(2))
    for down in range(-kernel_size, kernel_size):
        for right in range(-kernel_size, kernel_size):
            there = middle + (down * width + right)
            differs = truth[there] != truth_here
            others += differs
            merged += differs & (result[there] == result_here)
    counted = (row > 0) & (column > 0) & (others > 0)
    scores = 1 - torch.where(counted, merged.double() / others.clamp(min=1), 0.0)
    zeros = torch.zeros(len(edges), dtype=torch.float64, device=edges.device)
    return zeros.index_add(0, plane, scores) / zeros.index_add(0, plane, torch.ones_like(scores))


class BatchedClusterDiscrepancyRatio(DiscrepancyMean):
    """Mean over pictures of `batched_discrepancy`; its keys end with ``_batched``.

    Planes and pictures without an edge are left out and counted as by `ClusterDiscrepancyRatio`.

    Args:
        settings: Defaults to the published ones.
    """

    def __init__(self, settings: CDRSettings | None = None) -> None:
        super().__init__("_batched")
        self.settings = settings or CDRSettings()

    def update(
        self,
        ab: Tensor,
        target_ab: Tensor | None = None,
        region: Tensor | None = None,
        batched_truths: BatchedTruth | None = None,
    ) -> None:
        """Add pictures.

        Args:
            ab: ``(B, 2, H, W)`` results in CIE units.
            target_ab: ``(B, 2, H, W)`` truth; not looked at where ``batched_truths`` is given.
            region: ``(B, 1, H, W)``; only edge pixels where it is not 0 are scored.
            batched_truths: Of `batched_truth`, to measure several methods against one truth.

        Raises:
            DataError: The shapes or numbers of pictures differ, or there is no truth.
        """
        if region is not None:
            require_mask(region, ab)
        if batched_truths is None:
            if target_ab is None:
                raise DataError(
                    "the Cluster Discrepancy Ratio needs a truth: give target_ab or batched_truths"
                )
            require_pair(ab, target_ab, 2)
            batched_truths = batched_truth(target_ab, self.settings)
        self.add(batched_discrepancy(ab, batched_truths, region))
