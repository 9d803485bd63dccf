"""Classification by feature clusters as in STEGO (Hamilton et al. 2022), and k-means.

Positions with similar features are assigned to the same class. The category reduction algorithm (CRA, SPColor
section III-C) merges similar clusters into one class by k-means on the cluster centers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ColorzooError

SHARPNESS = 10.0  # inverse temperature of the softmax over cosines
_SEED = 122  # seed of the published code
_MERGE_ITERATIONS = 50  # a few dozen centers converge after about ten
_MAX_ITERATIONS = 20
_TOLERANCE = 1e-4  # convergence threshold: squared sum of the center shifts


class Classified(NamedTuple):
    """Class and confidence of each position.

    Attributes:
        labels: ``(B, 1, h, w)`` int64.
        confidence: ``(B, 1, h, w)`` in (0, 1].
    """

    labels: Tensor
    confidence: Tensor


def classify(features: Tensor, centers: Tensor) -> Classified:
    """Assign each position to the cluster center with the largest cosine similarity.

    Args:
        features: ``(B, D, h, w)``, features of the positions.
        centers: ``(m, D)``, cluster centers.
    """
    cosine = torch.einsum("bdhw,md->bmhw", F.normalize(features, dim=1), F.normalize(centers, dim=1))
    confidence, labels = torch.softmax(SHARPNESS * cosine, dim=1).max(dim=1, keepdim=True)
    return Classified(labels, confidence)


def merge_clusters(centers: Tensor, count: int) -> Tensor:
    """Merge cluster centers by k-means (category reduction algorithm of SPColor, CRA).

    The initial centers are drawn with NumPy's legacy random generator, as in the published code.

    Args:
        centers: ``(K, D)``.
        count: Number of new classes, 1 to K.

    Returns:
        ``(count, D)``, means of the merged centers.

    Raises:
        ColorzooError: ``count`` is out of range.
    """
    from scipy.cluster.vq import kmeans2

    total = len(centers)
    if not 1 <= count <= total:
        raise ColorzooError(f"'classes' must be from 1 to {total}, the number of clusters, got {count}")
    initial = np.random.RandomState(_SEED).choice(total, count, replace=False)
    points = centers.cpu().double().numpy()
    means, _ = kmeans2(points, points[initial], iter=_MERGE_ITERATIONS, minit="matrix")
    return torch.from_numpy(means).to(centers)


def kmeans(points: Tensor, starts: Tensor) -> Tensor:
    """Cluster the points of each image by k-means (Xia et al. 2022).

    An image converges independently of the other images in the batch, after at most 20 iterations. An empty
    cluster keeps its center.

    Examples:
        >>> points = torch.tensor([[[0.0], [1.0], [9.0], [8.0]]])
        >>> kmeans(points, torch.tensor([[0, 2]]))
        tensor([[0, 0, 1, 1]])

    Args:
        points: ``(B, N, C)``.
        starts: ``(B, k)`` int64, indices of the points used as initial centers.

    Returns:
        ``(B, N)`` int64, the cluster of each point.
    """
    points = points.detach().float()
    clusters = torch.arange(starts.shape[1], device=points.device)
    centers = points.gather(1, starts[..., None].expand(-1, -1, points.shape[2]))
    labels = torch.zeros_like(points[..., 0], dtype=torch.int64)
    converged = torch.zeros_like(starts[:, :1], dtype=torch.bool)  # for each image
    for _ in range(_MAX_ITERATIONS):
        nearest = (points[:, :, None] - centers[:, None]).square().sum(dim=3).argmin(dim=2)
        labels = torch.where(converged, labels, nearest)
        is_member = (labels[..., None] == clusters).to(points)  # (B, N, k)
        sizes = is_member.sum(dim=1)[..., None]  # (B, k, 1)
        sums = is_member.mT @ points  # (B, k, C)
        means = torch.where(sizes > 0, sums / sizes, centers)
        shifts = (means - centers).square().sum(dim=2).sqrt()  # (B, k)
        centers = torch.where(converged[..., None], centers, means)
        converged = converged | (shifts.sum(dim=1, keepdim=True).square() < _TOLERANCE)
    return labels
