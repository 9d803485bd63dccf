"""A claim, and the rules by which it holds: fixed here, so that no verdict is chosen after its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from benchmarks.claims._numbers import Result
from colorzoo.evaluation.bootstrap import Estimate

Verdict = Literal["reproduced", "direction only", "not reproduced"]
SIZE = 0.5  # share of the paper's effect from which ours counts as one of its size


@dataclass(frozen=True)
class Claim:
    """One row of the evidence.

    Attributes:
        paper: Module of `benchmarks.claims`.
        claim: What the paper says, as an effect that can be measured.
        paper_number: The effect as the paper states it, in words; "none stated" if it does not.
        ours: The effect here, with its 95 % interval over pictures (NaN where none is known).
        unit: Of ``ours``.
        verdict: By the rules of this module.
        reason: Why the verdict is what it is.
        command: What measures it again.
        pictures: How many pictures, pairs or rounds ``ours`` is a mean of.
        stated: The paper's effect in ``unit``, to be drawn beside ours; None where it is not comparable.
        stale: Names of models whose weights are newer than the numbers.
    """

    paper: str
    claim: str
    paper_number: str
    ours: Estimate
    unit: str
    verdict: Verdict
    reason: str
    command: str
    pictures: int
    stated: float | None = None
    stale: tuple[str, ...] = ()


def judge_gain(ours: Estimate, stated: float | None = None) -> tuple[Verdict, str]:
    """Judge an effect that is claimed to be above zero.

    Args:
        ours: The effect.
        stated: The paper's effect in the same unit, where it is comparable.

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


def judge_harmless(ours: Estimate, margin: float) -> tuple[Verdict, str]:
    """Judge an effect that is claimed to do no harm.

    Args:
        ours: The effect; below zero is harm.
        margin: Harm that is let pass.

    Returns:
        Reproduced: the whole interval is above ``-margin``. Direction only: the mean is. Else not reproduced.
    """
    if not ours.value > -margin:
        return "not reproduced", f"it costs more than the margin of {margin:g}"
    if not ours.low > -margin:
        return "direction only", f"the mean is within the margin of {margin:g}, the interval is not"
    return "reproduced", f"the whole interval is above the margin of -{margin:g}"


@dataclass(frozen=True)
class Earlier:
    """An earlier training or measurement that left its number on a page.

    Attributes:
        pictures: How many the number is a mean of.
        source: The page as a Markdown link, and how it was measured.
    """

    pictures: int
    source: str


def judge(
    paper: str,
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
    """Return the row of an effect with its verdict.

    Args:
        paper: Module of `benchmarks.claims`.
        claim: What the paper says.
        ours: The effect.
        unit: Of ``ours``.
        result: What it was taken from.
        paper_number: The paper's effect in words.
        stated: In ``unit``, where it is comparable.
        margin: Harm that is let pass, for a claim of no harm (`judge_harmless`); all others are claims of a
            gain (`judge_gain`).
        note: Said after the reason.
    """
    verdict, reason = judge_gain(ours, stated) if margin is None else judge_harmless(ours, margin)
    recorded = "recorded earlier, not measured again" if isinstance(result, Earlier) else ""
    because = "; ".join(part for part in (reason, recorded, note) if part)
    if isinstance(result, Earlier):
        return Claim(
            paper, claim, paper_number, ours, unit, verdict, because, result.source, result.pictures, stated
        )
    command, count = f"python -m benchmarks.claims {paper} --data DATA", len(result)
    return Claim(
        paper, claim, paper_number, ours, unit, verdict, because, command, count, stated, result.stale
    )
