"""Numbers as readers see them, the same in every table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.summary import Score

ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


@dataclass(frozen=True)
class Cell:
    """A number with its interval in words.

    Attributes:
        value: For sorting.
        text: The number.
        interval: Ends of the interval, or empty.
        note: What else there is to say, such as pictures left out.
    """

    value: float
    text: str
    interval: str = ""
    note: str = ""


def number(value: float, digits: int) -> str:
    """Return a number with so many decimals; ``∞``, or a dash where it is none."""
    if math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(estimate: Estimate, digits: int) -> str:
    """Return ``low to high``, or nothing where there is no interval."""
    if math.isnan(estimate.low):
        return ""
    return f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"


def score_cell(score: Score, output: Output) -> Cell:
    """Return the cell of a score."""
    notes = []
    if score.exact and not math.isinf(score.estimate.value):
        notes.append(f"{score.exact} exact not in the mean")
    if score.left_out:
        notes.append(f"{score.left_out} left out")
    found = score.estimate
    return Cell(
        found.value, number(found.value, output.digits), interval(found, output.digits), ", ".join(notes)
    )


def heading(output: Output) -> str:
    """Return the head of a column: title, unit and which way is better."""
    unit = f" [{output.unit}]" if output.unit else ""
    arrow = ARROWS[output.better]
    return f"{output.title}{unit}{' ' + arrow if arrow else ''}"
