"""Cluster Discrepancy Ratio: how much of the true color edges a result keeps (Kim et al. 2021, sec. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from colorzoo.errors import DataError
from colorzoo.metrics.checks import require_count, require_mask, require_pair, require_pictures
from colorzoo.metrics.clusters import CDRSettings, Labels, TruthClusters, cluster_ab, truth_clusters


def edge_scores(
    truth_labels: Labels, labels: Labels, edges: NDArray[np.bool_], *, kernel_size: int = 5
) -> NDArray[np.float64]:
    """Return ``1 - |B| / |A|`` of each edge pixel of one plane (Kim et al. 2021, code).

    A holds the pixels of the window that the truth puts into another cluster than the edge pixel, B those
    of A that the result puts into the same. The window is the published one, off the center by one: rows
    and columns ``-k .. k - 1``. What lies outside of the picture belongs to A and never to B.

    Args:
        truth_labels: ``(H, W)`` clusters of the truth, from 1.
        labels: ``(H, W)`` clusters of the result, from 1.
        edges: ``(H, W)`` bool.
        kernel_size: ``k``.

    Returns:
        ``(N,)`` in [0, 1], in row-major order of the edge pixels. It is 1 where A is empty, and in row 0
        and column 0, where the published window is empty.
    """
    width = edges.shape[1] + 2 * kernel_size
    rows, columns = np.nonzero(edges)
    middle = (rows + kernel_size) * width + columns + kernel_size
    truth, result = (np.pad(plane, kernel_size).ravel() for plane in (truth_labels, labels))
    truth_here, result_here = truth[middle], result[middle]
    others, merged = (np.zeros(len(middle), dtype=np.uint32) for _ in range(2))
    # One pass over all edge pixels for each place in the window: needs memory for one, not for the window.
    for down in range(-kernel_size, kernel_size):
        for right in range(-kernel_size, kernel_size):
            there = middle + (down * width + right)
            differs = truth.take(there) != truth_here
            others += differs
            differs &= result.take(there) == result_here
            merged += differs
    counted = (rows > 0) & (columns > 0) & (others > 0)
    scores = np.ones(len(middle))
    scores[counted] -= merged[counted] / others[counted]
    return scores


def cluster_discrepancy(ab: Tensor, truth: TruthClusters, region: Tensor | None = None) -> Tensor:
    """Return the Cluster Discrepancy Ratio of one picture in a and in b (Kim et al. 2021, sec. 4).

    Args:
        ab: ``(2, H, W)`` result in CIE units.
        truth: Of the true picture; see `truth_clusters`.
        region: ``(H, W)``; only edge pixels where it is not 0 are scored.

    Returns:
        ``(2,)`` float64 in [0, 1], higher is better; NaN for a plane without an edge (there), which the
        published code scores as 1.

    Raises:
        DataError: The shapes differ.
    """
    if tuple(ab.shape) != truth.edges.shape:
        raise DataError(f"a result of {tuple(ab.shape)} does not fit its truth of {truth.edges.shape}")
    edges = truth.edges if region is None else truth.edges & (region != 0).cpu().numpy()
    size = truth.settings.kernel_size
    planes = zip(truth.labels, cluster_ab(ab, truth.settings), edges, strict=True)
    scores = [edge_scores(true, found, edge, kernel_size=size) for true, found, edge in planes]
    return torch.tensor([score.mean() if len(score) else np.nan for score in scores], dtype=torch.float64)


class ClusterDiscrepancyRatio(Metric):
    """Mean Cluster Discrepancy Ratio over pictures, with scikit-image's SLIC and Canny (Kim et al. 2021).

    A plane without an edge is left out of the mean of its channel; a picture without any is counted in
    ``left_out``. ``cdr`` is the mean over pictures of the mean of a and b, or of the one that has edges.
    Labels depend on the release of scikit-image: state it beside the number.

    Args:
        settings: Defaults to the published ones.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self, settings: CDRSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or CDRSettings()
        self.add_state("total", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(3, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("left_out", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        ab: Tensor,
        target_ab: Tensor | None = None,
        region: Tensor | None = None,
        truths: Sequence[TruthClusters] | None = None,
    ) -> None:
        """Add pictures.

        Args:
            ab: ``(B, 2, H, W)`` results in CIE units.
            target_ab: ``(B, 2, H, W)`` truth; not looked at where ``truths`` is given.
            region: ``(B, 1, H, W)``; only edge pixels where it is not 0 are scored.
            truths: B results of `truth_clusters`, to measure several methods against one truth.

        Raises:
            DataError: The shapes or numbers of pictures differ, or there is no truth.
        """
        if truths is None:
            truths = self._cluster_truth(ab, target_ab)
        require_pictures(ab, 2)
        require_count(truths, ab)
        if region is not None:
            require_mask(region, ab)
        regions = [None] * len(ab) if region is None else list(region[:, 0])
        triples = zip(ab, truths, regions, strict=True)
        ratios = [cluster_discrepancy(picture, truth, where) for picture, truth, where in triples]
        self._add(torch.stack(ratios) if ratios else torch.zeros(0, 2, dtype=torch.float64))

    def compute(self) -> dict[str, Tensor]:
        """Return ``cdr_a``, ``cdr_b``, ``cdr`` (NaN without any edge) and the number ``left_out``."""
        a, b, both = (self.total / self.count).float()  # 0 / 0 is NaN
        return {"cdr_a": a, "cdr_b": b, "cdr": both, "left_out": self.left_out}

    def _add(self, ratios: Tensor) -> None:
        """Add the ``(B, 2)`` ratios of a batch, NaN where a plane has no edge."""
        values = torch.cat([ratios, ratios.nanmean(dim=1, keepdim=True)], dim=1).to(self.total.device)
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.total = self.total + values.nan_to_num(0.0).sum(dim=0)
        self.count = self.count + values.isfinite().sum(dim=0)
        self.left_out = self.left_out + values[:, 2].isnan().sum()

    def _cluster_truth(self, ab: Tensor, target_ab: Tensor | None) -> list[TruthClusters]:
        if target_ab is None:
            raise DataError("the Cluster Discrepancy Ratio needs a truth: give target_ab or truths")
        require_pair(ab, target_ab, 2)
        return [truth_clusters(picture, self.settings) for picture in target_ab]
