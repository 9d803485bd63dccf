"""Suggested colors for a pixel, and where a color would help most (Zhang et al. 2017, section 3.3).

A model that answers a distribution over ab bins knows more than the one color it shows: the clusters of that
distribution are a palette, and its entropy says where the model is unsure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import grid_centers, hull_centers, hull_mask, lab_to_rgb, reduce_chroma
from colorzoo.tasks import Prediction

PALETTE_COLORS = 9
_STARTS = 5
_ROUNDS = 30
_SETTLED = 0.01  # CIE units
_SHARPNESS = 1.2  # on held-out pictures more truths lie near a suggestion than with 1 or 1.7; theirs took 0.2
_NEGLIGIBLE = 1e-5  # share of a bin that moves no cluster
_UNTRAINED = 0.93  # of the entropy of a uniform distribution; trained heads stay below 0.8 on photos
_TAKEN_RADIUS = 3  # cells around a given point where no other is proposed


@dataclass(frozen=True)
class Suggestion:
    """A color that a pixel may have.

    Attributes:
        ab: In CIE units, within what sRGB shows at the pixel's lightness.
        share: Probability of its cluster.
        rgb: The color at the pixel's lightness, 0 .. 255.
    """

    ab: tuple[float, float]
    share: float
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class Distribution:
    """What a model thinks of every cell of a picture.

    Attributes:
        probabilities: ``(Q, h, w)``, summing to 1 over the bins.
        centers: ``(Q, 2)`` colors of the bins, CIE units.
        stride: Pixels per cell at the size at which the network saw the picture.
    """

    probabilities: Tensor
    centers: Tensor
    stride: int

    @classmethod
    def of(cls, prediction: Prediction) -> Distribution | None:
        """Return the distribution of the first picture of a prediction.

        Bins outside the sRGB hull are left out. None if the model answers none, or one that nobody trained:
        it is as good as uniform, as the authors' converted Local Hints weights may be.
        """
        logits = _distribution_of(prediction)
        if logits is None:
            return None
        stride = round(prediction.colors.shape[-1] / logits.shape[-1])
        log_share = F.log_softmax(logits[:1].float(), dim=1)
        if _entropy(log_share.exp()[0]).mean() > _UNTRAINED * math.log(logits.shape[1]):
            return None
        centers, shown = bins_of(logits)
        shares = F.softmax(_SHARPNESS * logits[0, shown].float(), dim=0)
        return cls(shares.cpu(), centers[shown], max(1, stride))

    def at(self, x: float, y: float) -> Tensor:
        """Return the ``(Q,)`` probabilities at a pixel, in pixels of the size the network saw."""
        rows, columns = self.probabilities.shape[-2:]
        row = min(max(int(y / self.stride), 0), rows - 1)
        column = min(max(int(x / self.stride), 0), columns - 1)
        return self.probabilities[:, row, column]

    def entropy(self) -> Tensor:
        """Return how unsure the model is, ``(h, w)`` in nats: 0 is certain, log Q knows nothing."""
        return _entropy(self.probabilities)


_BINS = (313, 529)


def has_distribution(prediction: Prediction) -> bool:
    """Say whether a model answers a distribution over the bins of ab; nobody may have trained it."""
    return _distribution_of(prediction) is not None


def _distribution_of(prediction: Prediction) -> Tensor | None:
    logits = prediction.extras.get("logits")
    return logits if logits is not None and logits.shape[1] in _BINS else None


def bins_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the colors of the bins that ``(B, Q, h, w)`` speaks of.

    Returns:
        ``(Q, 2)`` in CIE units, and ``(Q,)`` bool: which of them sRGB shows.
    """
    if logits.shape[1] == len(grid_centers()):
        return grid_centers(), hull_mask()
    return hull_centers(), torch.ones(len(hull_centers()), dtype=torch.bool)


def suggest_colors(
    probabilities: Tensor, centers: Tensor, luma: float, *, count: int = PALETTE_COLORS
) -> list[Suggestion]:
    """Return the clusters of a distribution over colors, most likely first.

    The clusters are those of k-means weighted by the bins' probabilities, the best of several starts. (The
    published pad draws 25,000 colors and clusters them once: noise, and often a poor optimum.)

    Args:
        probabilities: ``(Q,)``.
        centers: ``(Q, 2)`` colors of the bins in CIE units.
        luma: Lightness of the pixel in [0, 100].
        count: How many colors at most; fewer if fewer bins have any probability.
    """
    shares = probabilities.double().cpu().numpy()
    keep = shares > _NEGLIGIBLE * shares.max()
    weights = shares[keep] / shares[keep].sum()
    means, masses = weighted_clusters(centers.double().cpu().numpy()[keep], weights, count)
    lab = torch.cat([torch.full((len(means), 1), float(luma)), torch.from_numpy(means).float()], dim=1)
    lab = reduce_chroma(lab.T[None, :, :, None])
    rgb = (lab_to_rgb(lab)[0, :, :, 0].T.clamp(0, 1) * 255).round().int().tolist()
    ab = lab[0, 1:, :, 0].T.tolist()
    return [
        Suggestion((a, b), float(mass), (red, green, blue))
        for (a, b), mass, (red, green, blue) in zip(ab, masses, rgb, strict=True)
    ]


def weighted_clusters(
    points: NDArray[np.float64], weights: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cluster weighted points by k-means from several seeded starts and return the best result.

    Args:
        points: ``(N, 2)``.
        weights: ``(N,)``, summing to 1.
        count: How many clusters; at most N.

    Returns:
        Means ``(K, 2)`` and the weight of each, heaviest first.
    """
    count = min(count, len(points))
    means = np.stack([_spread_start(points, weights, count, seed) for seed in range(_STARTS)])
    weighted = np.column_stack([weights, weights[:, None] * points])
    for _ in range(_ROUNDS):
        nearest = _squared_distances(points, means).argmin(-1)
        member = nearest[:, None] == np.arange(count)[:, None]  # (S, K, N)
        sums = member.astype(np.float64) @ weighted
        mass = sums[..., 0]
        moved = np.where(mass[..., None] > 0, sums[..., 1:] / np.maximum(mass, 1e-12)[..., None], means)
        settled = np.abs(moved - means).max() < _SETTLED
        means = moved
        if settled:
            break
    best = int((_squared_distances(points, means).min(-1) @ weights).argmin())
    order = np.argsort(-mass[best], kind="stable")
    return means[best][order], mass[best][order]


def next_point(distribution: Distribution, taken: Sequence[tuple[float, float]] = ()) -> tuple[float, float]:
    """Return the pixel where a color would help most: the middle of the most uncertain neighborhood.

    Args:
        distribution: Of the picture with the points given so far.
        taken: Pixels that have a point, at the size the network saw; none near them is proposed.

    Returns:
        ``(x, y)`` in pixels of the size the network saw.
    """
    entropy = distribution.entropy()[None, None]
    smooth = F.avg_pool2d(entropy, 5, stride=1, padding=2, count_include_pad=False)[0, 0].clone()
    for x, y in taken:
        row, column = int(y / distribution.stride), int(x / distribution.stride)
        rows = slice(max(0, row - _TAKEN_RADIUS), row + _TAKEN_RADIUS + 1)
        smooth[rows, max(0, column - _TAKEN_RADIUS) : column + _TAKEN_RADIUS + 1] = -1.0
    row, column = divmod(int(smooth.argmax()), smooth.shape[1])
    return (column + 0.5) * distribution.stride, (row + 0.5) * distribution.stride


def _entropy(probabilities: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(probabilities).sum(dim=0)
    return entropy


def _spread_start(
    points: NDArray[np.float64], weights: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Choose starting means: heavy points far from those chosen before (k-means++); seed 0 is greedy."""
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


def _squared_distances(points: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(S, N, K)`` for points ``(N, 2)`` and means ``(S, K, 2)``, less the points' own squares."""
    product = np.matmul(points, means.transpose(0, 2, 1))
    distances: NDArray[np.float64] = np.square(means).sum(-1)[:, None] - 2 * product
    return distances
