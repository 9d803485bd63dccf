"""Intervals, comparisons and distances against known cases."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, t, ttest_rel

from colorzoo.evaluation.statistics import (
    bootstrap_weights,
    curve_estimates,
    difference,
    estimate,
    holm,
    jackknife,
)
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
    found = difference(ruined, good, mean)
    assert (found.estimate.value, found.images) == (5, 2)  # two images have no second or an infinite value
    assert difference(ruined[:2], moments(np.array([1.0, 2.0])), mean).estimate.value == -INF


def test_difference_detects_small_consistent_improvements() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(25, 5, 80)
    better = values + generator.normal(0.2, 0.3, 80)
    weights = bootstrap_weights(80, 2000, seed=0)
    found = difference(moments(better), moments(values), mean)
    assert found.p_value < 0.01
    assert found.estimate.low > 0
    one, other = (estimate(moments(each), mean, weights) for each in (better, values))
    assert one.low < other.high  # the unpaired intervals overlap


@pytest.mark.filterwarnings("error")
def test_difference_uses_only_images_with_two_finite_values() -> None:
    same = difference(*[moments(np.full(4, INF))] * 2, mean)
    assert np.isnan(same.estimate.value)  # inf - inf
    one, other = np.array([1.0, NAN, 3.0, 9.0]), np.array([0.0, 5.0, 2.0, NAN])
    found = difference(moments(one), moments(other), mean)
    assert found.images == 2
    assert list(vars(found.estimate).values()) == pytest.approx([1, 1, 1])
    alone = difference(moments(one[2:]), moments(other[2:]), mean)
    assert (alone.estimate.value, alone.images) == (1, 1)
    assert np.isnan([alone.estimate.low, alone.estimate.high, alone.p_value]).all()
    assert np.isnan([estimate(moments(one[:1]), mean, bootstrap_weights(1, 9, seed=0)).low]).all()


@pytest.mark.filterwarnings("error")
def test_difference_excludes_an_image_that_one_method_reproduces_exactly() -> None:
    better, other = moments(np.array([INF, 31.0, 33.0])), moments(np.array([60.0, 30.0, 32.0]))
    for found in (difference(better, other, mean), difference(other, better, mean)):
        assert (abs(found.estimate.value), found.images) == (1, 2)
    assert difference(better, other, mean).estimate.low == pytest.approx(1)
    assert difference(moments(np.full(3, INF)), other, mean).estimate.value == INF


def ratio(states: np.ndarray) -> np.ndarray:
    """Return the quotient of two sums, as in pooled metrics."""
    return states[..., 0] / states[..., 1]


NULLS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda chance, shape: chance.normal(0, 1, shape),
    "heavy tails": lambda chance, shape: chance.standard_t(3, shape),
    "two values": lambda chance, shape: chance.choice([-1.0, 0.0, 1.0], shape, p=[0.3, 0.4, 0.3]),
    "two kinds of images": lambda chance, shape: chance.normal(0, chance.choice([0.2, 3], shape), shape),
}


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("images", [4, 5, 6, 8, 20, 100])
def test_differences_without_effect_are_rarely_significant(images: int, null: str) -> None:
    """At most 6 % of 2,000 nulls are significant at the level of 5 %, none with fewer than six images."""
    chance = np.random.default_rng(images)
    values = chance.normal(25, 5, (2000, images))
    differences = NULLS[null](chance, values.shape)
    p_values = []
    for one, other in zip(values + differences, values, strict=True):
        states = [np.stack([each, np.zeros(images), np.ones(images)], axis=1) for each in (one, other)]
        p_values.append(difference(*states, mean).p_value)
    significant = np.mean(np.array(p_values) < 0.05)
    assert significant <= 0.06
    assert np.isnan(p_values).all() == (images < 6)
    if images >= 20 and null == "normal":
        assert significant >= 0.04  # not conservative


@pytest.mark.parametrize("images", [8, 20, 100])
def test_pooled_values_without_effect_are_rarely_significant(images: int) -> None:
    """The two methods exchange their states at random, so no difference exists."""
    chance, significant = np.random.default_rng(images), []
    for _ in range(1000):
        weights = chance.gamma(2, 1, images)
        states = chance.normal(0.5, 0.1, (2, images)) * weights
        one, other = (np.stack([state, weights, np.zeros(images), np.ones(images)], 1) for state in states)
        significant.append(difference(one, other, ratio).p_value < 0.05)
    assert np.mean(significant) <= 0.06


def test_p_values_and_intervals_agree_with_the_paired_t_test() -> None:
    values = np.random.default_rng(5).normal(0.4, 1, (2, 13))  # one more than the exact test
    found, expected = difference(moments(values[0]), moments(values[1]), mean), ttest_rel(*values)
    assert found.p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high))


@pytest.mark.parametrize(("images", "p_value"), [(5, NAN), (6, 2 / 2**6), (12, 2 / 2**12), (13, 2 / 2**13)])
def test_equal_differences_of_few_images_have_the_p_value_of_an_exact_test(
    images: int, p_value: float
) -> None:
    values = np.arange(float(images))
    found = difference(moments(values + 1), moments(values), mean)
    assert found.p_value == pytest.approx(p_value, nan_ok=True)
    assert difference(moments(values), moments(values), mean).p_value == pytest.approx(
        NAN if images < 6 else 1, nan_ok=True
    )


def test_p_values_of_few_images_come_from_all_swaps_of_the_two_methods() -> None:
    """Each image is swapped or not, the last one included, and the pooled values are computed anew."""
    larger = []
    for seed in range(8):
        chance = np.random.default_rng(seed)
        states = np.stack([chance.normal([[6.0], [3.0]], 2, (2, 7)), chance.gamma(3, 1, (2, 7))], axis=2)
        states = np.concatenate([states, np.tile([0.0, 1.0], (2, 7, 1))], axis=2)
        values = []
        for swaps in product((0, 1), repeat=7):
            one, other = (states[[which ^ swap for swap in swaps], range(7)].sum(0) for which in (0, 1))
            values.append(abs(ratio(one) - ratio(other)))
        exact = np.mean(np.array(values) >= values[0] - 1e-9)
        found = difference(states[0], states[1], ratio)
        error = (found.estimate.high - found.estimate.low) / 2 / t.ppf(0.975, 6)
        p_values = exact, 2 * t.cdf(-values[0] / error, 6)
        assert found.p_value == pytest.approx(max(p_values))
        larger.append(p_values[0] > p_values[1])
    assert {*larger} == {True, False}


@pytest.mark.parametrize("guided", [0, 1])
@pytest.mark.parametrize("repeats", [2, 3])
def test_repeated_users_of_one_method_keep_the_p_value(repeats: int, guided: int) -> None:
    """All eight differences have one sign, so 2 of 256 swaps have a difference at least as large."""
    values = np.linspace(12, 40, 8)
    states = [moments(values), moments(values + np.linspace(3.1, 2.9, 8))]
    expected = difference(*states, mean)
    assert expected.p_value == pytest.approx(2 / 256)
    states[guided] = states[guided] * repeats
    found = difference(*states, mean)
    assert found.p_value == pytest.approx(expected.p_value)
    assert found.estimate.value == pytest.approx(expected.estimate.value)


@pytest.mark.parametrize("images", [4, 8, 20])
def test_intervals_of_few_images_contain_the_true_mean(images: int) -> None:
    """The plain percentile interval covers 79 % for four images, and 89 % for eight images."""
    chance, weights = np.random.default_rng(images), bootstrap_weights(images, 1000, seed=0)
    covered = []
    for _ in range(1000):
        found = estimate(moments(chance.normal(0, 1, images)), mean, weights)
        covered.append(found.low <= 0 <= found.high)
    assert 0.88 <= np.mean(covered) <= 0.97


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
    pairs = difference(moments(better.repeat(4)), moments(values.repeat(4)), mean, groups)
    single = difference(moments(better), moments(values), mean)
    assert (pairs.p_value, pairs.images) == (pytest.approx(single.p_value), 120)
    five = difference(moments(better[:5].repeat(4)), moments(values[:5].repeat(4)), mean, groups[:20])
    assert np.isnan(five.p_value)  # five groups, although there are 20 images
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


def test_area_under_a_curve_and_numbers_that_reach_a_value() -> None:
    """The curve is linear over log(1 + n), so the values of both images are known."""
    states = {0: moments(np.array([20.0, 22.0])), 3: moments(np.array([24.0, 26.0]))}
    states[15] = moments(np.array([30.0, 32.0]))
    weights, groups = bootstrap_weights(2, 500, seed=0), np.arange(2)
    area, needed = curve_estimates(states, mean, weights, groups, [25.0, 10.0, 28.0, 40.0])
    assert area.value == pytest.approx((23 + 28) / 2)  # both parts of the axis have the length log(4)
    assert area.low < area.value < area.high
    assert [each.value for each in needed] == pytest.approx([3, 0, 7, INF])
    assert needed[0].low < 3 < needed[0].high
    assert needed[3].high == INF
    falling = {count: moments(-each[:, 0]) for count, each in states.items()}
    area, needed = curve_estimates(falling, mean, weights, groups, [-28.0], is_higher_better=False)
    assert (area.value, needed[0].value) == pytest.approx((-25.5, 7))
    exact = {0: states[0], 3: moments(np.full(2, INF))}
    assert curve_estimates(exact, mean, weights, groups, [25.0])[1][0].value == 3
