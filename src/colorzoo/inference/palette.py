"""Color suggestions for a pixel, and selection of the pixel for the next point.

The methods are based on Zhang et al. 2017, section 3.3. The suggested colors are the clusters of the
predicted color distribution. The next point is placed where the entropy of this distribution is high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.color.lab import reduce_chroma
from colorzoo.prediction import Distribution

PALETTE_COLORS = 9


_PALETTE_STARTS = 5  # number of k-means initializations
_PALETTE_ROUNDS = 30  # maximum number of k-means iterations
_PALETTE_SETTLED = 0.01  # movement of the means in CIE units below which k-means stops
_PALETTE_NEGLIGIBLE = 1e-5  # probability relative to the largest bin below which bins are ignored
_PALETTE_AROUND = 8  # the large entropy window extends 1 / 8 of the shorter side in each direction
_PALETTE_TAKEN_RADIUS = 3  # minimum distance between points in pixels of the network output


@dataclass(frozen=True)
class Suggestion:
    """A suggested color for a pixel.

    Attributes:
        ab: Color in CIE units, within the sRGB gamut at the pixel's lightness.
        share: Total probability of the color cluster that the suggestion represents, in [0, 1].
        rgb: RGB values of the color at the pixel's lightness, from 0 to 255.
    """

    ab: tuple[float, float]
    share: float
    rgb: tuple[int, int, int]


def suggest_colors(
    probabilities: Tensor, centers: Tensor, lightness: float, *, count: int = PALETTE_COLORS
) -> list[Suggestion]:
    """Suggest colors for a pixel: clusters of its color distribution, most likely first.

    The clusters are computed by weighted k-means with several initializations. The interface of Zhang et al.
    2017 clusters 25,000 sampled colors once, which is noisier.

    Examples:
        >>> centers = torch.tensor([[40.0, 0], [-40, 0]])
        >>> colors = suggest_colors(torch.tensor([0.7, 0.3]), centers, lightness=50)
        >>> [round(color.share, 1) for color in colors]
        [0.7, 0.3]

    Args:
        probabilities: ``(Q,)`` probabilities of the bins.
        centers: ``(Q, 2)`` bin centers in CIE units.
        lightness: Lightness of the pixel in [0, 100].
        count: Maximum number of colors.
    """
    shares = probabilities.double().cpu().numpy()
    keep = shares > _PALETTE_NEGLIGIBLE * shares.max()
    weights = shares[keep] / shares[keep].sum()
    means, masses = weighted_clusters(centers.double().cpu().numpy()[keep], weights, count)
    lightness_column = torch.full((len(means), 1), float(lightness))
    colors = torch.cat([lightness_column, torch.from_numpy(means).float()], dim=1)  # (K, 3)
    lab = reduce_chroma(colors.T[None, :, :, None])  # an image (1, 3, K, 1)
    levels = (lab_to_rgb(lab).clamp(0, 1) * 255).round().int()
    suggestions = []
    for index, mass in enumerate(masses):
        a, b = lab[0, 1:, index, 0].tolist()
        red, green, blue = levels[0, :, index, 0].tolist()
        suggestions.append(Suggestion((a, b), float(mass), (red, green, blue)))
    return suggestions


def weighted_clusters(
    points: NDArray[np.float64], weights: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cluster weighted points by k-means with several seeded initializations.

    Args:
        points: ``(N, 2)`` points.
        weights: ``(N,)`` weights that sum to 1.
        count: Number of clusters K; reduced to N if it is larger.

    Returns:
        Cluster means ``(K, 2)`` and cluster weights ``(K,)``, largest weight first.
    """
    count = min(count, len(points))
    # S initializations are clustered at the same time
    starts = [_spread_start(points, weights, count, seed) for seed in range(_PALETTE_STARTS)]
    means = np.stack(starts)  # (S, K, 2)
    clusters = np.arange(count)[:, None]  # (K, 1)
    weighted_points = weights[:, None] * points
    summands = np.column_stack([weights, weighted_points])  # (N, 3), summed together for speed
    for _ in range(_PALETTE_ROUNDS):
        nearest = _shifted_squared_distances(points, means).argmin(-1)  # (S, N), cluster of each point
        is_member = nearest[:, None, :] == clusters  # (S, K, N)
        sums = is_member.astype(np.float64) @ summands  # (S, K, 3), over the points of each cluster
        masses, point_sums = sums[..., :1], sums[..., 1:]  # (S, K, 1) and (S, K, 2)
        member_means = point_sums / np.maximum(masses, 1e-12)
        new_means = np.where(masses > 0, member_means, means)  # empty clusters stay
        largest_move = np.abs(new_means - means).max()
        means = new_means
        if largest_move < _PALETTE_SETTLED:
            break
    # mean squared distance (S,) from the nearest mean; all have the same shift, so they can be compared
    errors = _shifted_squared_distances(points, means).min(-1) @ weights
    best = int(errors.argmin())
    # the masses before the last update of the means, which was small
    best_means, best_masses = means[best], masses[best, :, 0]
    order = np.argsort(-best_masses, kind="stable")
    return best_means[order], best_masses[order]


def next_point(distribution: Distribution, taken: Sequence[tuple[float, float]] = ()) -> tuple[float, float]:
    """Return the pixel that is suggested for the next color point.

    The score of a pixel is the product of the mean entropies in a small and a large window around the pixel.
    In the large window, entropy outside the image counts as zero, so pixels near the borders score lower.

    Examples:
        >>> from colorzoo.prediction import Distribution
        >>> centers = torch.tensor([[40.0, 0], [-40, 0]])
        >>> distribution = Distribution(torch.full((2, 8, 12), 0.5), centers, size=(32, 48))
        >>> x, y = next_point(distribution)
        >>> 0 <= x < 48 and 0 <= y < 32
        True

    Args:
        distribution: Distribution predicted with the current points.
        taken: Pixels (x, y) of the network input that already have points. These pixels and nearby pixels are
            excluded. If all pixels are excluded, the pixels with the largest distance from the points remain.

    Returns:
        ``(x, y)`` in pixels of the network input.
    """
    entropy = distribution.entropy()[None, None]
    small_mean = F.avg_pool2d(entropy, 5, stride=1, padding=2, count_include_pad=False)[0, 0]
    half = max(2, min(small_mean.shape) // _PALETTE_AROUND)
    large_mean = F.avg_pool2d(entropy, 2 * half + 1, stride=1, padding=half)[0, 0]
    scores = small_mean * large_mean
    row_stride, column_stride = distribution.stride
    # distance of each position from the nearest point, along the axis with the larger distance
    distances = torch.full_like(scores, torch.inf)
    rows, columns = torch.arange(scores.shape[0])[:, None], torch.arange(scores.shape[1])
    for x, y in taken:
        row_distances, column_distances = rows - int(y / row_stride), columns - int(x / column_stride)
        distances = torch.minimum(distances, torch.maximum(row_distances.abs(), column_distances.abs()))
    is_excluded = distances <= min(_PALETTE_TAKEN_RADIUS, float(distances.max()) - 1)
    scores = scores.masked_fill(is_excluded, -1.0)
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    height, width = distribution.size
    # the center of a position that covers padding can be outside the image
    return min((column + 0.5) * column_stride, width - 1), min((row + 0.5) * row_stride, height - 1)


def _spread_start(
    points: NDArray[np.float64], weights: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Choose initial means by k-means++; seed 0 uses the greedy variant."""
    generator = np.random.default_rng(seed)
    chosen = [int(weights.argmax())]
    distance = np.square(points - points[chosen[0]]).sum(-1)
    while len(chosen) < count:
        share = weights * distance
        total = share.sum()
        if seed == 0 or total <= 0:
            chosen.append(int(share.argmax()))
        else:
            chosen.append(int(generator.choice(len(points), p=share / total)))
        distance = np.minimum(distance, np.square(points - points[chosen[-1]]).sum(-1))
    return points[chosen]


def _shifted_squared_distances(
    points: NDArray[np.float64], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return squared distances ``(S, N, K)`` of points from means, minus the squared length of each point.

    This shift is equal for all means, so it does not change which mean is nearest.
    """
    product = np.matmul(points, means.transpose(0, 2, 1))
    distances: NDArray[np.float64] = np.square(means).sum(-1)[:, None] - 2 * product
    return distances
