"""Claims with their verdicts. The rules are fixed here, so that no verdict is chosen after its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.statistics import Estimate, bootstrap_weights, holm
from colorzoo.evaluation.summary import SIGNIFICANT

Column = NDArray[np.float64]
Verdict = Literal["reproduced", "sign reproduced", "sign only", "inconclusive", "not reproduced"]
RESAMPLES, SEED = 4000, 0
_DEVIATIONS = 2 * 1.959964  # of a normal distribution in a 95 % interval
POWER = 0.8  # probability that the needed images decide a claim, see `images_to_decide`
SIZE = 0.5  # fraction of the paper's effect from which ours counts as one of its size


@dataclass(frozen=True)
class Result:
    """Numbers of an experiment.

    Attributes:
        rows: Numbers by name, one mapping an image.
        stale: What is newer than the numbers: models with other weights, or the code.
    """

    rows: Sequence[Mapping[str, Any]]
    stale: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """Return one number of every image."""
        return np.array([row[name] for row in self.rows], dtype=np.float64)

    def mean(self, name: str) -> Estimate:
        """Return the mean of a number."""
        return estimate(self.column(name))

    def gain(self, name: str, over: str) -> Estimate:
        """Return the mean of one number minus another, image by image."""
        return estimate(self.column(name) - self.column(over))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Earlier:
    """An earlier measurement whose images are not recorded.

    Attributes:
        images: Number of images.
        source: Markdown link to the page with the number, and how it was measured.
    """

    images: int
    source: str

    def __len__(self) -> int:
        return self.images


@dataclass(frozen=True)
class Claim:
    """Row of the evidence.

    Attributes:
        claim: The paper's statement, as an effect that can be measured.
        ours: The effect here, with its 95 % interval over images (NaN if unknown).
        unit: Unit of ``ours``.
        images: Number of images, pairs or rounds.
        verdict: By the rules of this module.
        reason: Why.
        paper_number: The effect as the paper states it.
        stated: The paper's effect in ``unit``; None if it is not comparable.
        stale: What is newer than the numbers, see `Result`.
        p_value: Probability of such an effect by chance, see `p_value_of`; NaN without an interval.
        recalled: True if the paper's number is remembered, not read in the paper.
        needed: Number of images that would decide an inconclusive claim, see `images_to_decide`; None for
            other claims, and if the number is unknown.
    """

    claim: str
    ours: Estimate
    unit: str
    images: int
    verdict: Verdict
    reason: str
    paper_number: str = "none stated"
    stated: float | None = None
    stale: tuple[str, ...] = ()
    p_value: float = math.nan
    recalled: bool = False
    needed: int | None = None


def make_claim(
    claim: str,
    ours: Estimate,
    unit: str,
    result: Result | Earlier,
    *,
    paper_number: str = "none stated",
    stated: float | None = None,
    margin: float | None = None,
    note: str = "",
    recalled: bool = False,
) -> Claim:
    """Return a claim with its verdict.

    Args:
        claim: The paper's statement.
        ours: The effect.
        unit: Unit of ``ours``.
        result: Origin of ``ours``.
        paper_number: The paper's effect in words.
        stated: The paper's effect in ``unit``, if it is comparable.
        margin: Tolerated harm for a claim of no harm (`no_harm_verdict`); None for a gain (`gain_verdict`).
        note: Appended to the reason.
        recalled: The paper's number is remembered, not read in the paper.
    """
    verdict, reason = gain_verdict(ours, stated) if margin is None else no_harm_verdict(ours, margin)
    reasons = [reason]
    if isinstance(result, Earlier):
        reasons.append(f"recorded earlier ({result.source}), not measured again")
    stale = result.stale if isinstance(result, Result) else ()
    reason = "; ".join([*reasons, note] if note else reasons)
    p_value = p_value_of(ours, 0.0 if margin is None else -margin)
    return Claim(
        claim, ours, unit, len(result), verdict, reason, paper_number, stated, stale, p_value, recalled
    )


def p_value_of(ours: Estimate, null: float) -> float:
    """Return the two-sided p-value of an effect against a null value.

    The effect's mean is taken as normal with the width of its interval, so that effects of earlier
    measurements count, too.

    Args:
        ours: The effect with its 95 % interval.
        null: The value without an effect.

    Returns:
        From 0 to 1; NaN without an interval.
    """
    deviation = (ours.high - ours.low) / _DEVIATIONS
    distance = abs(ours.value - null)
    if not deviation > 0:
        return math.nan if math.isnan(deviation) else float(distance == 0)
    return math.erfc(distance / deviation / math.sqrt(2))


def adjusted(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims of a page, those inconclusive that chance explains among so many (Holm 1979)."""
    tests = sum(not math.isnan(claim.p_value) for claim in claims)
    found = []
    for claim, p_value in zip(claims, holm([claim.p_value for claim in claims]), strict=True):
        if p_value >= SIGNIFICANT and claim.verdict != "inconclusive":
            reason = f"may be chance among {tests} tests (p {p_value:.2g}); {claim.reason}"
            claim = replace(claim, verdict="inconclusive", reason=reason)
        if claim.verdict == "inconclusive":
            claim = replace(claim, needed=images_to_decide(claim.images, claim.p_value, tests))
        found.append(claim)
    return found


def images_to_decide(images: int, p_value: float, tests: int) -> int | None:
    """Return the number of images with which an effect of the measured size would be significant.

    The standard error of a mean falls with the square root of the number of images, so an effect that was
    ``z`` standard errors away from the null value requires ``images * ((z_test + z_power) / z) ** 2`` images.
    ``z_test`` belongs to the two-sided level 0.05 divided by the number of tests (Bonferroni, which is at
    least as strict as Holm's correction), and ``z_power`` to the probability `POWER` of a significant result.

    Args:
        images: Number of measured images.
        p_value: Uncorrected two-sided p-value of the measurement.
        tests: Number of tests on the page.

    Returns:
        At least 2; None if the p-value is unknown, or if the effect has exactly the null value.
    """
    if math.isnan(p_value) or p_value >= 1:
        return None
    normal = NormalDist()
    measured = -normal.inv_cdf(max(p_value, 1e-300) / 2)
    required = -normal.inv_cdf(SIGNIFICANT / max(1, tests) / 2) + normal.inv_cdf(POWER)
    return max(2, math.ceil(images * (required / measured) ** 2))


def gain_verdict(ours: Estimate, stated: float | None = None) -> tuple[Verdict, str]:
    """Return verdict and reason for an effect that is claimed to be above zero.

    Args:
        ours: The effect.
        stated: The paper's effect in the same unit, if it is comparable.

    Returns:
        Reproduced: the interval lies above zero and the mean is at least half of the paper's effect. Sign
        reproduced: it lies above zero, and no effect is stated. Direction only: it lies above zero, with a
        smaller mean. Inconclusive: it reaches zero, or is not known. Not reproduced: it lies below zero.
    """
    if math.isnan(ours.value):
        return "inconclusive", "nothing could be measured"
    if math.isnan(ours.low):
        return "inconclusive", "no interval is known"
    if ours.low <= 0 <= ours.high:
        return "inconclusive", "the interval reaches zero: it may be chance"
    if ours.value < 0:
        return "not reproduced", "beyond chance on the other side"
    if stated is not None and ours.value < SIZE * stated:
        return "sign only", f"beyond chance, but less than half of the paper's effect ({stated:g})"
    if stated is None:
        return "sign reproduced", "beyond chance; no comparable size is stated"
    return "reproduced", "beyond chance, and at least half of the paper's effect"


def no_harm_verdict(ours: Estimate, margin: float) -> tuple[Verdict, str]:
    """Return verdict and reason for an effect that is claimed to do no harm.

    Args:
        ours: The effect; below zero is harm.
        margin: Tolerated harm.

    Returns:
        Sign reproduced: the whole interval is above ``-margin``. Not reproduced: it is below. Else
        inconclusive.
    """
    if math.isnan(ours.value) or math.isnan(ours.low):
        return "inconclusive", "no interval is known"
    if ours.high < -margin:
        return "not reproduced", f"it costs more than the margin of {margin:g}"
    if not ours.low > -margin:
        return "inconclusive", f"the interval reaches beyond the margin of {margin:g}"
    return "sign reproduced", f"margin -{margin:g}"


def estimate(column: Column) -> Estimate:
    """Return the mean of a column and its 95 % interval, without its NaN."""
    return estimate_of_means([column[np.isfinite(column)]], lambda means: means[0])


def estimate_of_means(columns: Sequence[Column], function: Callable[[Column], Column]) -> Estimate:
    """Return a function of the means of columns, with its 95 % interval by bootstrap over images.

    Args:
        columns: One number an image, each of the same images.
        function: Takes the means ``(k, ...)`` and returns ``(...)``.
    """
    table = np.stack(columns)
    if not table.shape[1]:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(function(table.mean(axis=1)))
    if table.shape[1] < 2:
        return Estimate(value, math.nan, math.nan)
    weights = bootstrap_weights(table.shape[1], RESAMPLES, SEED)
    low, high = np.percentile(function(table @ weights.T / table.shape[1]), [2.5, 97.5])
    return Estimate(value, float(low), float(high))
