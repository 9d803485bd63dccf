"""Intervals and comparisons by a seeded bootstrap over pictures.

One draw of resamples serves all numbers, methods and comparisons, and a resample is a row of a product of
matrices. `scipy.stats.bootstrap` draws anew for every number and gathers rows: its intervals are the same but
for the draw, and take tens of times as long; see "Engines" in ``docs/architecture.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.outputs import Finish, Moments, mean

LEVEL = 0.95
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: Over all pictures.
        low: Lower end of the interval; NaN where there is none.
        high: Upper end.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Difference:
    """How one method differs from another on the same pictures.

    Attributes:
        estimate: First minus second.
        p_value: Two-sided, of the bootstrap: twice the share of resamples on the other side of 0.
        pictures: How many pictures have the number under both methods.
    """

    estimate: Estimate
    p_value: float
    pictures: int


def bootstrap_weights(pictures: int, resamples: int, seed: int) -> Weights:
    """Return ``(resamples, pictures)``: how often each picture is in each resample."""
    generator = np.random.default_rng(seed)
    share = np.full(pictures, 1 / pictures)
    return generator.multinomial(pictures, share, size=resamples).astype(np.float64)


def estimate(moments: Moments, finish: Finish, weights: Weights) -> Estimate:
    """Return a number and its percentile interval.

    Args:
        moments: ``(N, k)``.
        finish: Makes the number of their sum.
        weights: ``(R, N)`` of `bootstrap_weights`.
    """
    value = float(finish(moments.sum(0)))
    if len(moments) < 2 or not np.isfinite(value):
        return Estimate(value)
    return Estimate(value, *_interval(finish(weights @ moments)))


def difference(one: Moments, other: Moments, finish: Finish, weights: Weights) -> Difference:
    """Compare two methods on the pictures that have the number under both.

    Args:
        one: ``(N, k)`` of the first method.
        other: ``(N, k)`` of the second, of the same pictures in the same order.
        finish: Makes the number of a sum.
        weights: ``(R, N)`` of `bootstrap_weights`.
    """
    both = _has_number(one) & _has_number(other)
    one, other = one * both[:, None], other * both[:, None]
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        value = float(finish(one.sum(0)) - finish(other.sum(0)))
    if both.sum() < 2 or not np.isfinite(value):
        return Difference(Estimate(value), float("nan"), int(both.sum()))
    differences = finish(weights @ one) - finish(weights @ other)
    differences = differences[np.isfinite(differences)]
    # one more of each, so that no p-value is below what the number of resamples can say
    below = (1 + (differences <= 0).sum()) / (1 + len(differences))
    above = (1 + (differences >= 0).sum()) / (1 + len(differences))
    p_value = min(1.0, 2 * float(min(below, above)))
    return Difference(Estimate(value, *_interval(differences)), p_value, int(both.sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979); NaN stays NaN."""
    adjusted = [float("nan")] * len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if not np.isnan(p))
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class Reach:
    """Interactions needed to reach a target.

    Attributes:
        interactions: Mean over the pictures that reach it of the least number that does.
        share: Share of pictures that reach it within the largest number tried.
    """

    interactions: Estimate
    share: Estimate


def interactions_to_target(
    values: NDArray[np.float64], interactions: NDArray[np.int64], target: float, weights: Weights
) -> Reach:
    """Return how many interactions pictures need.

    Args:
        values: ``(N, K)`` quality after each tried number; higher is better, NaN never reaches.
        interactions: ``(N, K)`` how many the user really had.
        target: Quality to reach.
        weights: ``(R, N)`` of `bootstrap_weights`.
    """
    good = values >= target
    reached = good.any(1)
    needed = interactions[np.arange(len(values)), good.argmax(1)]
    zeros = np.zeros(len(values))
    moments = np.stack([needed * reached, zeros, reached], axis=1).astype(np.float64)
    shares = np.stack([reached, zeros, np.ones(len(values))], axis=1).astype(np.float64)
    return Reach(estimate(moments, mean, weights), estimate(shares, mean, weights))


def _has_number(moments: Moments) -> NDArray[np.bool_]:
    """Say which pictures count: their last two moments (exact, count) are not both 0."""
    return np.asarray(moments[:, -2:].any(1))


def _interval(values: Moments) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
