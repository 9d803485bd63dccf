"""Cluster Discrepancy Ratio (CDR): fraction of true color edges that a result preserves.

The metric is defined in Kim et al. 2021, sec. 4. As in the authors' code (``cdr.py``), SLIC clusters each
plane as a gray RGB image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_images, require_pair

_EDGES_AT_ONCE = 65_536  # edge pixels whose windows are in memory at the same time

Labels = NDArray[np.uint16]
Plane = NDArray[np.floating]

# CIE units. Converting a gray image to Lab gives a and b up to 0.005; one level of 8-bit RGB changes them by
# 0.02.
FLAT = 0.01
SEGMENTS, COMPACTNESS, SLIC_SIGMA = 250, 10.0, 1.0  # SLIC parameters of the published code
CANNY_SIGMA, CANNY_QUANTILES = 1.2, (0.2, 0.7)


@dataclass(frozen=True)
class TruthClusters:
    """Clusters and edges of a ground-truth image for the Cluster Discrepancy Ratio.

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> truth.labels.shape, truth.edges.shape
        ((2, 32, 32), (2, 32, 32))

    Compute the clusters once with `truth_clusters` and reuse them for all methods.

    Attributes:
        labels: ``(2, H, W)`` cluster labels of the a plane and the b plane, starting at 1.
        edges: ``(2, H, W)`` bool Canny edges of the a plane and the b plane.
    """

    labels: Labels
    edges: NDArray[np.bool_]


def truth_clusters(ab: Tensor) -> TruthClusters:
    """Compute the clusters and edges of a ground-truth image.

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> truth.labels.shape
        (2, 32, 32)

    Args:
        ab: ``(2, H, W)`` in CIE units.

    Raises:
        DataError: The tensor is not ``(2, H, W)`` or not finite.
    """
    edges = np.stack([find_edges(plane) for plane in _planes(ab)])
    return TruthClusters(cluster_ab(ab), edges)


def cluster_ab(ab: Tensor) -> Labels:
    """Return the cluster labels ``(2, H, W)`` of the a plane and the b plane, starting at 1.

    Args:
        ab: ``(2, H, W)`` in CIE units.

    Raises:
        DataError: The tensor is not ``(2, H, W)`` or not finite.
    """
    return np.stack([cluster_plane(plane) for plane in _planes(ab)])


def cluster_plane(plane: Plane) -> Labels:
    """Return the ``(H, W)`` SLIC labels of one plane, starting at 1 (Kim et al. 2021, code).

    Args:
        plane: ``(H, W)`` values of any scale and offset.
    """
    from skimage.segmentation import slic

    gray = plane.astype(np.float64) - plane.min()
    gray /= gray.max() or 1.0
    rgb = np.repeat(gray[..., None], 3, axis=2)
    labels = slic(rgb, n_segments=SEGMENTS, compactness=COMPACTNESS, sigma=SLIC_SIGMA, start_label=1)
    return np.asarray(labels, dtype=np.uint16)


def find_edges(plane: Plane) -> NDArray[np.bool_]:
    """Return the ``(H, W)`` bool Canny edges of a plane in CIE units (Kim et al. 2021, code).

    A plane with a range below `FLAT` has no edges. The published code detects edges even in the rounding
    errors of a gray image, because its thresholds are quantiles.
    """
    from skimage.feature import canny

    if plane.max() - plane.min() < FLAT:
        return np.zeros(plane.shape, dtype=bool)
    return canny(
        plane,
        sigma=CANNY_SIGMA,
        low_threshold=CANNY_QUANTILES[0],
        high_threshold=CANNY_QUANTILES[1],
        use_quantiles=True,
    )


def _planes(ab: Tensor) -> NDArray[np.float32]:
    if ab.dim() != 3 or ab.shape[0] != 2:
        raise DataError(f"ab must have shape (2, H, W), got {tuple(ab.shape)}")
    planes: NDArray[np.float32] = ab.detach().cpu().float().numpy()
    if not np.isfinite(planes).all():
        raise DataError("ab must be finite, got NaN or inf")
    return planes


def edge_scores(
    truth_labels: Labels, labels: Labels, edges: NDArray[np.bool_], *, kernel_size: int = 5
) -> NDArray[np.float64]:
    """Return ``1 - |B| / |A|`` for each edge pixel of one plane (Kim et al. 2021, code).

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> bool((edge_scores(truth.labels[0], truth.labels[0], truth.edges[0]) == 1).all())
        True

    A score below 1 means that the result merges pixels that the ground truth separates. A is the set of
    window pixels whose true cluster differs from the true cluster of the edge pixel. B is the subset of A
    that the result assigns to the cluster of the edge pixel.

    As in the published code, the window covers rows and columns ``-k .. k - 1`` relative to the edge pixel.
    Pixels outside the image belong to A but not to B.

    Args:
        truth_labels: ``(H, W)`` cluster labels of the ground truth, starting at 1.
        labels: ``(H, W)`` cluster labels of the result, starting at 1.
        edges: ``(H, W)`` bool edge pixels.
        kernel_size: ``k``, half the side of the window in pixels.

    Returns:
        ``(N,)`` scores in [0, 1], in row-major order of the edge pixels; 1 where A is empty, and in row 0 and
        column 0, where the published window is empty.
    """
    window = (2 * kernel_size, 2 * kernel_size)
    # padded with the label 0, which no cluster has
    truth_windows = sliding_window_view(np.pad(truth_labels, kernel_size), window)
    windows = sliding_window_view(np.pad(labels, kernel_size), window)
    rows, columns = np.nonzero(edges)
    scores = np.ones(len(rows))
    for start in range(0, len(rows), _EDGES_AT_ONCE):
        chunk = slice(start, start + _EDGES_AT_ONCE)
        pixels = rows[chunk], columns[chunk]
        differs_in_truth = truth_windows[pixels] != truth_labels[pixels][:, None, None]
        equal_in_result = windows[pixels] == labels[pixels][:, None, None]
        size_a = differs_in_truth.sum(axis=(1, 2))
        size_b = (differs_in_truth & equal_in_result).sum(axis=(1, 2))
        has_score = (rows[chunk] > 0) & (columns[chunk] > 0) & (size_a > 0)
        scores[chunk] = np.where(has_score, 1 - size_b / np.maximum(size_a, 1), 1.0)
    return scores


def cluster_discrepancy(ab: Tensor, truth: TruthClusters, *, kernel_size: int = 5) -> Tensor:
    """Return the Cluster Discrepancy Ratio of a and b for one image (Kim et al. 2021).

    Examples:
        >>> ab = 20 * torch.rand(2, 32, 32)
        >>> cluster_discrepancy(ab, truth_clusters(ab)).shape
        torch.Size([2])

    Args:
        ab: ``(2, H, W)`` result in CIE units.
        truth: Result of `truth_clusters` for the ground truth.
        kernel_size: Half the side of the window around an edge pixel; see `edge_scores`.

    Returns:
        ``(2,)`` float64 in [0, 1], higher is better; NaN for a plane without edges, for which the published
        code returns 1.

    Raises:
        DataError: The shapes differ.
    """
    if tuple(ab.shape) != truth.edges.shape:
        raise DataError(
            f"ab must have the shape of the ground truth {truth.edges.shape}, got {tuple(ab.shape)}"
        )
    ratios = []
    for truth_labels, labels, edges in zip(truth.labels, cluster_ab(ab), truth.edges, strict=True):
        scores = edge_scores(truth_labels, labels, edges, kernel_size=kernel_size)
        ratios.append(scores.mean() if len(scores) else np.nan)
    return torch.from_numpy(np.array(ratios))


def clusters_name() -> str:
    """Return the name of the clustering for output keys, with the scikit-image version."""
    return f"slic250_exact_skimage{version('scikit-image')}"


class ClusterDiscrepancyRatio(ColorMetric):
    """Mean Cluster Discrepancy Ratio over images, in [0, 1] (Kim et al. 2021, sec. 4).

    Examples:
        >>> truth = 20 * torch.rand(1, 2, 32, 32)
        >>> ClusterDiscrepancyRatio()(truth, truth).keys()
        dict_keys(['cdr_a', 'cdr_b', 'cdr', 'excluded'])

    ``cdr_a`` and ``cdr_b`` are means over the images in which the channel has edges. ``cdr`` first averages
    the channels with edges in each image, then the images. ``excluded`` counts images without any edge.
    Report the version of scikit-image with the value, because the cluster labels depend on it.

    Args:
        kernel_size: Half the side of the window around an edge pixel; see `edge_scores`.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"cdr": {}}
    value_shape = (3,)
    needs_color = True  # the edges of a gray image are compression noise
    higher_is_better = True
    is_differentiable = False

    def __init__(self, *, kernel_size: int = 5, **options: Any) -> None:
        super().__init__(**options)
        self.kernel_size = kernel_size
        titles = {"cdr": "CDR", "cdr_a": "CDR of a", "cdr_b": "CDR of b"}
        self.outputs = tuple(
            Output(f"{key}_{clusters_name()}_mean", title, "", "higher", mean_of_moments, detail=key != "cdr")
            for key, title in titles.items()
        )

    def update(
        self, ab: Tensor, target_ab: Tensor | None = None, truths: Sequence[TruthClusters] | None = None
    ) -> None:
        """Add results and ground truth.

        Args:
            ab: ``(B, 2, H, W)`` results in CIE units.
            target_ab: ``(B, 2, H, W)`` ground truth in CIE units; unused with ``truths``.
            truths: B results of `truth_clusters`, reusable for several methods.

        Raises:
            DataError: The shapes or batch sizes differ, or the ground truth is missing.
        """
        if truths is None:
            if target_ab is None:
                raise DataError("target_ab or truths must be passed, got neither")
            require_pair(ab, target_ab, 2, values=self.validate_args)
            truths = [truth_clusters(image) for image in target_ab]
        require_images(ab, 2, values=self.validate_args)
        if len(truths) != len(ab):
            raise DataError(f"truths must have one entry per image ({len(ab)}), got {len(truths)}")
        ratios = torch.zeros(len(ab), 2, dtype=torch.float64, device="cpu")  # of a and b
        for index, truth in enumerate(truths):
            ratios[index] = cluster_discrepancy(ab[index], truth, kernel_size=self.kernel_size)
        mean_ratios = ratios.nanmean(dim=1, keepdim=True)  # over the channels with edges
        self.add(torch.cat([mean_ratios, ratios], dim=1))

    def compute(self) -> dict[str, Tensor]:
        """Return ``cdr_a``, ``cdr_b``, ``cdr`` and ``excluded``; ratios are NaN without edges."""
        both, a, b = self.mean()
        return {"cdr_a": a, "cdr_b": b, "cdr": both, "excluded": self.excluded[0]}
