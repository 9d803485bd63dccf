"""Intervals, comparisons and distances against known cases."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, t

from colorzoo.evaluation.statistics import bootstrap_weights, difference, estimate, holm, jackknife
from colorzoo.metrics.base import mean_of_moments as mean
from colorzoo.metrics.base import value_moments

NAN, INF = float("nan"), float("inf")


def moments(values: np.ndarray) -> np.ndarray:
    return np.array([value_moments(value) for value in values])


@pytest.mark.parametrize("finish", [mean, lambda rows: -10 * np.log10(mean(rows))], ids=["mean", "pooled"])
def test_estimate_intervals_match_the_scipy_bootstrap(finish: Callable[[np.ndarray], np.ndarray]) -> None:
    rows = moments(np.random.default_rng(1).gamma(3, 0.01, 100))
    found = estimate(rows, finish, bootstrap_weights(100, 5000, seed=0))
    expected = bootstrap(
        (np.arange(100),),
        lambda drawn, axis: finish(rows[drawn].sum(axis - 1 if axis < 0 else axis)),
        n_resamples=5000,
        method="percentile",
        vectorized=True,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    near = 0.05 * (found.high - found.low)  # the uncertainty of 5000 resamples
    assert found.value == finish(rows.sum(0))
    assert found.low == pytest.approx(expected.low, abs=near)
    assert found.high == pytest.approx(expected.high, abs=near)


def test_estimate_excludes_infinite_and_nan_values_from_the_mean() -> None:
    weights = bootstrap_weights(4, 100, seed=0)
    assert estimate(moments(np.array([30.0, INF, NAN, 40.0])), mean, weights).value == 35
    assert estimate(moments(np.array([INF, INF, NAN, INF])), mean, weights).value == INF
    assert np.isnan(estimate(moments(np.full(4, NAN)), mean, weights).value)


@pytest.mark.filterwarnings("error")
def test_minus_infinity_stays_in_the_mean_and_in_the_difference() -> None:
    ruined, good = moments(np.array([-INF, 40.0, INF, 20.0])), moments(np.array([NAN, 40.0, 30.0, 10.0]))
    weights = bootstrap_weights(4, 100, seed=0)
    assert estimate(ruined, mean, weights).value == -INF
    found = difference(ruined, good, mean, weights)
    assert (found.estimate.value, found.images) == (5, 2)  # two images have no second or an infinite value
    assert difference(ruined[:2], moments(np.array([1.0, 2.0])), mean, weights[:, :2]).estimate.value == -INF


def test_difference_detects_small_consistent_improvements() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(25, 5, 80)
    better = values + generator.normal(0.2, 0.3, 80)
    weights = bootstrap_weights(80, 2000, seed=0)
    found = difference(moments(better), moments(values), mean, weights)
    assert found.p_value < 0.01
    assert found.estimate.low > 0
    one, other = (estimate(moments(each), mean, weights) for each in (better, values))
    assert one.low < other.high  # the unpaired intervals overlap


@pytest.mark.filterwarnings("error")
def test_difference_uses_only_images_with_two_finite_values() -> None:
    same = difference(*[moments(np.full(4, INF))] * 2, mean, bootstrap_weights(4, 9, seed=0))
    assert np.isnan(same.estimate.value)  # inf - inf
    one, other = np.array([1.0, NAN, 3.0, 9.0]), np.array([0.0, 5.0, 2.0, NAN])
    weights = bootstrap_weights(4, 200, seed=0)
    found = difference(moments(one), moments(other), mean, weights)
    drawn = int((weights[:, [0, 2]].sum(1) > 0).sum())  # the other resamples contain neither image
    assert (found.p_value, found.images) == (2 / (1 + drawn), 2)
    assert list(vars(found.estimate).values()) == pytest.approx([1, 1, 1])
    alone = difference(moments(one[2:]), moments(other[2:]), mean, weights[:, 2:])
    assert (alone.estimate.value, alone.images) == (1, 1)
    assert np.isnan([alone.estimate.low, alone.estimate.high, alone.p_value]).all()
    assert np.isnan([estimate(moments(one[:1]), mean, weights[:, :1]).low]).all()


def test_difference_excludes_an_image_that_one_method_reproduces_exactly() -> None:
    better, other = moments(np.array([INF, 31.0, 33.0])), moments(np.array([60.0, 30.0, 32.0]))
    weights = bootstrap_weights(3, 200, seed=0)
    for found in (difference(better, other, mean, weights), difference(other, better, mean, weights)):
        assert (abs(found.estimate.value), found.images) == (1, 2)
    assert difference(better, other, mean, weights).estimate.low == pytest.approx(1)
    assert difference(moments(np.full(3, INF)), other, mean, weights).estimate.value == INF


def test_intervals_of_repeated_images_equal_the_intervals_of_single_images() -> None:
    """Copies of an image carry no information, so the interval must not become narrower."""
    values = np.random.default_rng(2).normal(25, 5, 30)
    better, groups = values + np.random.default_rng(3).normal(0.5, 2, 30), np.repeat(np.arange(30), 4)
    weights = bootstrap_weights(30, 500, seed=0)
    alone, copied = (
        [estimate(moments(x), mean, weights, group) for x in each]
        for each, group in (((values, better), None), ((values.repeat(4), better.repeat(4)), groups))
    )
    for one, other in zip(alone, copied, strict=True):
        assert list(vars(one).values()) == pytest.approx(list(vars(other).values()))
    pairs = difference(moments(better.repeat(4)), moments(values.repeat(4)), mean, weights, groups)
    single = difference(moments(better), moments(values), mean, weights)
    assert (pairs.p_value, pairs.images) == (single.p_value, 120)
    one_target = estimate(moments(values[:4]), mean, weights[:, :1], np.zeros(4, dtype=int))
    assert np.isnan(one_target.low)


def test_jackknife_leaves_out_all_results_of_a_target() -> None:
    results = np.random.default_rng(5).normal(0, 1, (25, 1)).astype(np.float32)
    alone = jackknife(mean_difference, results, 0 * results)
    copies = results.repeat(3, axis=0)
    found = jackknife(mean_difference, copies, 0 * copies, np.repeat(np.arange(25), 3))
    assert list(vars(found).values()) == pytest.approx(list(vars(alone).values()))


def test_holm_correction() -> None:
    assert holm([0.01, 0.04, 0.03, NAN]) == pytest.approx([0.03, 0.06, 0.06, NAN], nan_ok=True)
    assert holm([0.9, 0.6]) == [1, 1]


def mean_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one.mean() - other.mean())


@pytest.mark.parametrize("images", [3, 60])
def test_jackknife_of_a_mean_equals_the_student_t_interval(images: int) -> None:
    one, other = np.random.default_rng(0).normal(size=(2, images, 1)).astype(np.float32)
    found = jackknife(mean_difference, one, other)
    groups = min(images, 20)
    means = (one - other)[:, 0].reshape(-1, groups).mean(0)  # of images N, N + groups, ...
    half = t.ppf(0.975, groups - 1) * means.std(ddof=1) / np.sqrt(groups)
    assert found.value == pytest.approx(float(means.mean()), abs=1e-6)
    assert (found.high - found.value, found.value - found.low) == pytest.approx((half, half), rel=1e-4)
