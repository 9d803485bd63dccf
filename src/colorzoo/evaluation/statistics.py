"""Metric values over an image set, with confidence intervals from a seeded bootstrap.

A metric value is computed from sums of per-image numbers (moments, see `colorzoo.metrics.base`). All values
and comparisons use the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from colorzoo.metrics.base import Finish, Moments

Weights = NDArray[np.float64]
Features = NDArray[np.float32]
Groups = NDArray[np.int64]
Distance = Callable[[Features, Features], float]
LEVEL = 0.95  # confidence level of the intervals
GROUPS, MIN_GROUPS = 20, 3  # number of jackknife groups, and the minimum number


@dataclass(frozen=True)
class Estimate:
    """Value with its confidence interval.

    Attributes:
        value: The value over all images.
        low: Lower end of the interval; NaN if the interval is undefined.
        high: Upper end of the interval; NaN if the interval is undefined.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Difference:
    """Difference between two methods on the same images.

    Attributes:
        estimate: Value of the first method minus value of the second method.
        p_value: Two-sided bootstrap p-value: twice the fraction of resamples with the opposite sign.
        images: Number of compared images; see `difference`.
    """

    estimate: Estimate
    p_value: float
    images: int


def bootstrap_weights(images: int, resamples: int, seed: int) -> Weights:
    """Return the count of each image in each bootstrap resample, ``(resamples, images)``."""
    generator = np.random.default_rng(seed)
    share = np.full(images, 1 / images)
    return generator.multinomial(images, share, size=resamples).astype(np.float64)


def estimate(moments: Moments, finish: Finish, weights: Weights, groups: Groups | None = None) -> Estimate:
    """Return a value with its percentile bootstrap interval.

    Args:
        moments: ``(N, k)`` metric states of N images.
        finish: Function that computes the metric value from states summed over images.
        weights: ``(R, G)`` result of `bootstrap_weights` for G groups.
        groups: ``(N,)`` index of the group of each image. The bootstrap resamples groups, because images of a
            group are dependent. None resamples images.
    """
    value = float(finish(moments.sum(0)))
    moments = _summed(moments, groups)
    if len(moments) < 2 or not np.isfinite(value):
        return Estimate(value)
    return Estimate(value, *_interval(finish(weights @ moments)))


def difference(
    one: Moments, other: Moments, finish: Finish, weights: Weights, groups: Groups | None = None
) -> Difference:
    """Compare two methods on the images with a finite value for both methods.

    An image with zero error has an infinite PSNR. If all images with two values have zero error for one of
    the methods, the difference is infinite, or NaN if the images have zero error for both methods.

    Args:
        one: ``(N, k)`` metric states of the first method.
        other: ``(N, k)`` metric states of the second method, for the same images in the same order.
        finish: Function that computes the metric value from states summed over images.
        weights: ``(R, G)`` result of `bootstrap_weights` for G groups.
        groups: ``(N,)`` index of the group of each image; see `estimate`.
    """
    chosen = _comparable(one, other)
    images = int(chosen.sum())
    one, other = (np.where(chosen[:, None], moments, 0.0) for moments in (one, other))
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        value = float(finish(one.sum(0)) - finish(other.sum(0)))
    compared = np.flatnonzero(chosen) if groups is None else np.unique(groups[chosen])
    if len(compared) < 2 or not np.isfinite(value):
        return Difference(Estimate(value), float("nan"), images)
    differences = finish(weights @ _summed(one, groups)) - finish(weights @ _summed(other, groups))
    return Difference(Estimate(value, *_interval(differences)), _p_value(differences), images)


def _comparable(one: Moments, other: Moments) -> NDArray[np.bool_]:
    """Mark the images with a finite value for both methods, or with two values if no value is finite.

    The mean of one method must not contain an image that the mean of the other method excludes.
    """
    # the last two metric states, exact and count, are 0 for an image without a value
    both = np.asarray(one[:, -2:].any(1) & other[:, -2:].any(1))
    finite = both & ~((one[:, -2] > 0) | (other[:, -2] > 0))
    return finite if finite.any() else both


def _p_value(differences: Moments) -> float:
    """Return the two-sided bootstrap p-value of a difference, computed from its resamples."""
    differences = differences[np.isfinite(differences)]
    opposite = min((differences <= 0).sum(), (differences >= 0).sum())
    # plus 1, so that no p-value is below the resolution of the resamples
    return min(1.0, 2 * float((1 + opposite) / (1 + len(differences))))


def jackknife(
    distance: Distance, results: Features, truths: Features, clusters: Groups | None = None
) -> Estimate:
    """Return the distance between results and ground truth with its jackknife interval.

    A bootstrap repeats images, which biases distances such as FID. The jackknife divides the images into
    `GROUPS` groups and computes the distance with each group left out in turn. The interval uses the variance
    for groups of unequal size (Busing, Meijer and van der Leeden 1999, *Delete-m Jackknife for Unequal m*)
    and Student's t distribution. It does not account for the bias of FID for small samples.

    Args:
        distance: Function that returns the distance between two feature sets.
        results: ``(N, D)`` features of the results.
        truths: ``(N, D)`` features of the ground truth, for the same images in the same order.
        clusters: ``(N,)`` index of the target of each image, from 0; images of a target are left out
            together. None leaves out single images.

    Returns:
        The distance over all images; its interval is NaN for fewer than `MIN_GROUPS` targets.
    """
    clusters = np.arange(len(results)) if clusters is None else clusters
    value, groups = distance(results, truths), min(GROUPS, int(clusters.max()) + 1)
    if groups < MIN_GROUPS or not np.isfinite(value):
        return Estimate(value)
    group = clusters % groups
    others = np.array([distance(results[group != one], truths[group != one]) for one in range(groups)])
    sizes = np.bincount(group)
    ratio = len(results) / sizes
    pseudo = ratio * value - (ratio - 1) * others
    variance = np.mean((pseudo - np.average(pseudo, weights=sizes)) ** 2 / (ratio - 1))
    half = float(np.sqrt(variance) * stdtrit(groups - 1, (1 + LEVEL) / 2))
    return Estimate(value, value - half, value + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for multiple comparisons (Holm 1979); NaN stays NaN."""
    adjusted = [float("nan")] * len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if not np.isnan(p))
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[index] = largest
    return adjusted


def _summed(moments: Moments, groups: Groups | None) -> Moments:
    """Return the states summed over the images of each group, ``(G, k)``."""
    if groups is None:
        return moments
    total = np.zeros((int(groups.max()) + 1, moments.shape[1]))
    np.add.at(total, groups, moments)
    return total


def _interval(values: Moments) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
