"""Claims with their verdicts. The rules are fixed here, so that no verdict is chosen after its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.statistics import Estimate, bootstrap_weights

Column = NDArray[np.float64]
Verdict = Literal["reproduced", "direction only", "not reproduced"]
RESAMPLES, SEED = 4000, 0
SIZE = 0.5  # fraction of the paper's effect from which ours counts as one of its size


@dataclass(frozen=True)
class Result:
    """Numbers of an experiment.

    Attributes:
        rows: Numbers by name, one mapping a picture.
        stale: Models whose weights are newer than the numbers.
    """

    rows: Sequence[Mapping[str, Any]]
    stale: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """Return one number of every picture."""
        return np.array([row[name] for row in self.rows], dtype=np.float64)

    def mean(self, name: str) -> Estimate:
        """Return the mean of a number."""
        return estimate(self.column(name))

    def gain(self, name: str, over: str) -> Estimate:
        """Return the mean of one number minus another, picture by picture."""
        return estimate(self.column(name) - self.column(over))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Earlier:
    """An earlier measurement whose pictures are not recorded.

    Attributes:
        pictures: Number of pictures.
        source: Markdown link to the page with the number, and how it was measured.
    """

    pictures: int
    source: str

    def __len__(self) -> int:
        return self.pictures


@dataclass(frozen=True)
class Claim:
    """One row of the evidence.

    Attributes:
        claim: The paper's statement, as an effect that can be measured.
        ours: The effect here, with its 95 % interval over pictures (NaN if unknown).
        unit: Unit of ``ours``.
        pictures: Number of pictures, pairs or rounds.
        verdict: By the rules of this module.
        reason: Why.
        paper_number: The effect as the paper states it.
        stated: The paper's effect in ``unit``; None if it is not comparable.
        stale: Models whose weights are newer than the numbers.
    """

    claim: str
    ours: Estimate
    unit: str
    pictures: int
    verdict: Verdict
    reason: str
    paper_number: str = "none stated"
    stated: float | None = None
    stale: tuple[str, ...] = ()


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
    """
    verdict, reason = gain_verdict(ours, stated) if margin is None else no_harm_verdict(ours, margin)
    reasons = [reason]
    if isinstance(result, Earlier):
        reasons.append(f"recorded earlier ({result.source}), not measured again")
    stale = result.stale if isinstance(result, Result) else ()
    reason = "; ".join([*reasons, note] if note else reasons)
    return Claim(claim, ours, unit, len(result), verdict, reason, paper_number, stated, stale)


def gain_verdict(ours: Estimate, stated: float | None = None) -> tuple[Verdict, str]:
    """Return verdict and reason for an effect that is claimed to be above zero.

    Args:
        ours: The effect.
        stated: The paper's effect in the same unit, if it is comparable.

    Returns:
        Reproduced: the interval lies above zero and the mean is at least half of the paper's effect.
        Direction only: the mean is above zero. Not reproduced: it is not.
    """
    if not ours.value > 0:
        return "not reproduced", "the effect is not on the paper's side"
    if math.isnan(ours.low):
        return "direction only", "no interval is known"
    if ours.low <= 0:
        return "direction only", "the interval reaches zero: with so few pictures it may be chance"
    if stated is not None and ours.value < SIZE * stated:
        return "direction only", f"beyond chance, but less than half of the paper's effect ({stated:g})"
    if stated is None:
        return "reproduced", "beyond chance; no comparable size is stated"
    return "reproduced", "beyond chance, and at least half of the paper's effect"


def no_harm_verdict(ours: Estimate, margin: float) -> tuple[Verdict, str]:
    """Return verdict and reason for an effect that is claimed to do no harm.

    Args:
        ours: The effect; below zero is harm.
        margin: Tolerated harm.

    Returns:
        Reproduced: the whole interval is above ``-margin``. Direction only: the mean is. Else not reproduced.
    """
    if not ours.value > -margin:
        return "not reproduced", f"it costs more than the margin of {margin:g}"
    if not ours.low > -margin:
        return "direction only", f"the mean is within the margin of {margin:g}, the interval is not"
    return "reproduced", f"the whole interval is above the margin of -{margin:g}"


def estimate(column: Column) -> Estimate:
    """Return the mean of a column and its 95 % interval, without its NaN."""
    return estimate_of_means([column[np.isfinite(column)]], lambda means: means[0])


def estimate_of_means(columns: Sequence[Column], function: Callable[[Column], Column]) -> Estimate:
    """Return a function of the means of columns, with its 95 % interval by bootstrap over pictures.

    Args:
        columns: One number a picture, each of the same pictures.
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
