"""Metric values over an image set with confidence intervals, and tests of differences between methods.

A metric value is computed from sums of per-image numbers (moments, see `colorzoo.metrics.base`). The
intervals of values come from a seeded bootstrap, and the intervals of differences from a jackknife.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr, stdtrit

from colorzoo.metrics.base import Finish, Moments

Weights = NDArray[np.float64]
Features = NDArray[np.float32]
Groups = NDArray[np.int64]
Distance = Callable[[Features, Features], float]
LEVEL = 0.95  # confidence level of the intervals
GROUPS, MIN_GROUPS = 20, 3  # number of jackknife groups, and the minimum number
MIN_TESTED = 6
"""Minimum number of images for a test: with 5 images, an exact test cannot go below p = 0.0625."""
MAX_SWAPPED = 12  # largest number of images for the exact test; 2,048 subsets


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
        estimate: Value of the first method minus value of the second method, with its t interval.
        p_value: Two-sided p-value of a paired test; NaN for fewer than `MIN_TESTED` images or groups.
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
    """Return a value with its expanded percentile bootstrap interval.

    For few images, percentiles of the resamples give intervals that are too narrow. The percentiles are
    therefore moved outward as far as Student's t distribution differs from the normal distribution
    (Hesterberg 2015, *What Teachers Should Know About the Bootstrap*, sec. 3.3).

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
    resampled = finish(weights @ moments)
    # the number of images or groups with a finite value
    return _with_interval(value, resampled[np.isfinite(resampled)], int((moments[:, -1] > 0).sum()))


def curve_estimates(
    states: Mapping[int, Moments],
    finish: Finish,
    weights: Weights,
    groups: Groups,
    goals: Sequence[float] = (),
    *,
    is_higher_better: bool = True,
) -> tuple[Estimate, list[Estimate]]:
    """Return the area under a curve over numbers of interactions, and the numbers that reach some values.

    The horizontal axis is log(1 + n), and the curve is linear between the measured numbers. The area is
    divided by the length of the axis, so it is a mean value.

    Args:
        states: ``(N, k)`` metric states of N images by number of interactions; at least two numbers.
        finish: Function that computes the metric value from states summed over images.
        weights: ``(R, G)`` result of `bootstrap_weights` for G groups.
        groups: ``(N,)`` index of the group of each image; see `estimate`.
        goals: Values to reach.
        is_higher_better: Whether a value is reached from below.

    Returns:
        The area, and the number of interactions for each goal: inf if the curve does not reach the goal.
    """
    counts = sorted(states)
    axis = np.log1p(counts)
    summed = [_summed(states[count], groups) for count in counts]
    all_weights = np.concatenate([np.ones((1, len(summed[0]))), weights])  # the first curve is of all images
    curves = np.stack([finish(all_weights @ each) for each in summed], axis=1)
    image_count = int(np.all([each[:, -1] > 0 for each in summed], axis=0).sum())
    areas = np.trapezoid(curves, axis, axis=1) / (axis[-1] - axis[0])
    resampled = areas[1:][np.isfinite(areas[1:])]
    area = _with_interval(float(areas[0]), resampled, image_count)
    needed = []
    for goal in goals:
        gaps = curves - goal if is_higher_better else goal - curves
        numbers = np.expm1([_first_crossing(axis, row) for row in gaps])
        needed.append(_with_interval(float(numbers[0]), numbers[1:], image_count))
    return area, needed


def _first_crossing(axis: NDArray[np.float64], gaps: NDArray[np.float64]) -> float:
    """Return the first position where a line through ``gaps`` is at least 0; inf without such a position."""
    reached = np.flatnonzero(gaps >= 0)
    if not len(reached):
        return float("inf")
    last = int(reached[0])
    if last == 0 or not np.isfinite(gaps[last]):
        return float(axis[last])
    step = gaps[last - 1] / (gaps[last - 1] - gaps[last])
    return float(axis[last - 1] + step * (axis[last] - axis[last - 1]))


def _with_interval(value: float, resampled: Moments, count: int) -> Estimate:
    """Return a value with the expanded percentile interval of ``count`` images or groups."""
    if count < 2 or not len(resampled):
        return Estimate(value)
    tail = ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - LEVEL) / 2))
    # infinite values have no interpolation
    method: Literal["higher", "linear"] = "higher" if np.isinf(resampled).any() else "linear"
    low, high = np.quantile(resampled, [tail, 1 - tail], method=method)
    return Estimate(value, float(low), float(high))


def difference(first: Moments, second: Moments, finish: Finish, groups: Groups | None = None) -> Difference:
    """Return the value of a method minus the value of another method, with a paired t-test.

    The variance is the jackknife variance over images or groups. For a mean over images, the interval is the
    interval of the paired t-test. For at most `MAX_SWAPPED` images or groups, the p-value is the maximum of
    the t-test and an exact test, which swaps the results of the two methods for each subset of the images.

    Only images with a finite value for both methods are compared. An image with zero error has an infinite
    PSNR. If all images with two values have zero error for one of the methods, the difference is infinite, or
    NaN if the images have zero error for both methods.

    Args:
        first: ``(N, k)`` metric states of the first method.
        second: ``(N, k)`` metric states of the second method, for the same images in the same order.
        finish: Function that computes the metric value from states summed over images.
        groups: ``(N,)`` index of the group of each image; see `estimate`.
    """
    # compare the images with a finite value for both methods, or with two values if no value is finite: the
    # mean of one method must not contain an image that the mean of the other method excludes
    has_values = np.asarray(first[:, -2:].any(1) & second[:, -2:].any(1))  # exact and count
    is_exact = (first[:, -2] > 0) | (second[:, -2] > 0)  # an infinite value
    is_finite = has_values & ~is_exact
    is_compared = is_finite if is_finite.any() else has_values
    image_count = int(is_compared.sum())
    groups = np.arange(len(first)) if groups is None else groups
    _, groups = np.unique(groups[is_compared], return_inverse=True)
    count = len(np.unique(groups))
    first, second = first[is_compared], second[is_compared]
    # repeated users count an image several times, but only for models with guidance
    second = second * (first[:, -2:].sum(1) / second[:, -2:].sum(1))[:, None]
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        value = float(finish(first.sum(0)) - finish(second.sum(0)))
    if count < 2 or not np.isfinite(value):
        return Difference(Estimate(value), float("nan"), image_count)
    # the difference without each image or group
    left_out = [finish(states.sum(0) - _summed(states, groups)) for states in (first, second)]
    with np.errstate(invalid="ignore"):  # no interval if the value of a subset is infinite
        leave_one_out = left_out[0] - left_out[1]
        error = float(np.sqrt((count - 1) * np.mean((leave_one_out - leave_one_out.mean()) ** 2)))
    half_width = error * float(stdtrit(count - 1, (1 + LEVEL) / 2))
    interval = Estimate(value, value - half_width, value + half_width)
    if count < MIN_TESTED or np.isnan(error):
        return Difference(interval, float("nan"), image_count)
    # rounding errors are smaller than the value times 1e-12
    is_constant = error <= 1e-12 * max(abs(value), np.abs(leave_one_out).max())
    p_value = float(value == 0) if is_constant else 2 * float(stdtr(count - 1, -abs(value) / error))
    exact_p_value = 2.0 ** (1 - count)  # the smallest possible value
    if count <= MAX_SWAPPED:
        # all subsets without the last image, because the complement of a subset has the same difference
        swapped = (np.arange(2 ** (count - 1))[:, None] >> np.arange(count)) & 1
        change = swapped @ (_summed(second, groups) - _summed(first, groups))
        differences = finish(first.sum(0) + change) - finish(second.sum(0) - change)
        exact_p_value = float(np.mean(np.abs(differences) >= abs(value) * (1 - 1e-9)))
    return Difference(interval, max(p_value, exact_p_value), image_count)


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
    value = distance(results, truths)
    cluster_count = int(clusters.max()) + 1
    group_count = min(GROUPS, cluster_count)
    if group_count < MIN_GROUPS or not np.isfinite(value):
        return Estimate(value)
    groups = clusters % group_count  # all images of a cluster are in the same group
    kept_masks = [groups != left_out for left_out in range(group_count)]
    leave_one_out = np.array([distance(results[kept], truths[kept]) for kept in kept_masks])
    # pseudovalues and variance of the delete-m jackknife, with h_j = N / m_j as in the paper
    sizes = np.bincount(groups)
    h = len(results) / sizes
    pseudovalues = h * value - (h - 1) * leave_one_out
    jackknife_value = np.average(pseudovalues, weights=sizes)
    variance = np.mean((pseudovalues - jackknife_value) ** 2 / (h - 1))
    t_quantile = stdtrit(group_count - 1, (1 + LEVEL) / 2)  # Student's t distribution
    half_width = float(np.sqrt(variance) * t_quantile)
    return Estimate(value, value - half_width, value + half_width)


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
