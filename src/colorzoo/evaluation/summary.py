"""The numbers of an evaluation, as reports show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.bootstrap import (
    Difference,
    Estimate,
    Reach,
)
from colorzoo.evaluation.measures import Measure
from colorzoo.evaluation.methods import Method
from colorzoo.evaluation.outputs import Moments, Output
from colorzoo.evaluation.picture_list import Item
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.published import Published

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Evaluated:
    """What was evaluated.

    Attributes:
        protocol: How.
        methods: Those that reports show.
        counts: Numbers of interactions of every method that ran.
        measures: What was measured.
        deviation: Why the pictures are not those of the protocol; empty if they are.
        notes: What the user should know.
        resamples: Of the bootstrap.
    """

    protocol: Protocol
    methods: tuple[Method, ...]
    counts: Mapping[str, tuple[int, ...]]
    measures: tuple[Measure, ...]
    deviation: str
    notes: tuple[str, ...]
    resamples: int

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All numbers."""
        return tuple(output for measure in self.measures for output in measure.outputs)

    def full_key(self, output: Output) -> str:
        """Return the key of a number with all of its protocol."""
        return f"{output.key}@{self.protocol.resize.key}"


@dataclass(frozen=True)
class Score:
    """One number of one method.

    Attributes:
        estimate: With its interval.
        pictures: How many pictures have it.
        exact: How many have no error at all, and are not in a mean of decibels.
        left_out: How many have no such number, such as the CDR of a gray picture.
    """

    estimate: Estimate
    pictures: int
    exact: int
    left_out: int


@dataclass(frozen=True)
class Row:
    """The numbers of a method after some interactions.

    Attributes:
        method: Name.
        count: Interactions asked for.
        given: Mean over pictures of the interactions that there were.
        scores: By key of the output.
    """

    method: str
    count: int
    given: float
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Comparison:
    """How two methods differ in one number.

    Attributes:
        count: Interactions.
        output: The number.
        difference: First minus second, on the same pictures.
        adjusted: p-value adjusted for the number of comparisons (Holm).
    """

    count: int
    output: Output
    difference: Difference
    adjusted: float

    @property
    def real(self) -> bool:
        """Whether the difference is unlikely to be luck in the choice of pictures."""
        value = self.difference.estimate.value
        return bool(self.adjusted < SIGNIFICANT) or bool(np.isinf(value))


@dataclass(frozen=True)
class Table:
    """The moments of a method after some interactions, a row a picture.

    Attributes:
        moments: ``(N, k)`` by key.
        given: ``(N,)`` interactions that there were.
    """

    moments: Mapping[str, Moments]
    given: NDArray[np.int64]


@dataclass(frozen=True)
class Summary:
    """All that reports say.

    Attributes:
        evaluated: What was evaluated.
        items: Pictures that count.
        skipped: Name and reason of those that do not.
        gray: Names of pictures that count but have no color.
        tables: By method and number of interactions.
        rows: Numbers by method and number of interactions.
        reaches: Interactions to the protocol's target, by method.
        compared: The two methods that were compared, if any.
        comparisons: How they differ.
        published: Numbers from the literature.
    """

    evaluated: Evaluated
    items: tuple[Item, ...]
    skipped: tuple[tuple[str, str], ...]
    gray: tuple[str, ...]
    tables: Mapping[tuple[str, int], Table]
    rows: tuple[Row, ...]
    reaches: Mapping[str, Reach]
    compared: tuple[str, str] | None
    comparisons: tuple[Comparison, ...]
    published: tuple[Published, ...]

    @property
    def gray_notes(self) -> tuple[str, ...]:
        """What readers should know of pictures whose truth has no color, if there are any."""
        if not self.gray:
            return ()
        return (
            f"{len(self.gray)} picture(s) have no color, so that every color counts as wrong and CDR is left "
            f"out: {', '.join(self.gray[:5])}",
        )
