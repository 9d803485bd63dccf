"""What was measured, as columns of numbers, and estimates of them by bootstrap over pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.bootstrap import Estimate, bootstrap_weights

Column = NDArray[np.float64]
RESAMPLES, SEED = 4000, 0


def estimate(column: Column) -> Estimate:
    """Return the mean of a column and its 95 % interval; what is no number is left out."""
    return estimate_of_means([column[np.isfinite(column)]], lambda means: means[0])


def estimate_of_means(columns: Sequence[Column], of: Callable[[Column], Column]) -> Estimate:
    """Return a function of the means of columns, with its 95 % interval.

    Args:
        columns: One number a picture, each of the same pictures.
        of: Takes the means ``(k, ...)`` and returns ``(...)``.
    """
    table = np.stack(columns)
    if not table.shape[1]:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(of(table.mean(axis=1)))
    if table.shape[1] < 2:
        return Estimate(value, math.nan, math.nan)
    weights = bootstrap_weights(table.shape[1], RESAMPLES, SEED)
    low, high = np.percentile(of(table @ weights.T / table.shape[1]), [2.5, 97.5])
    return Estimate(value, float(low), float(high))


@dataclass(frozen=True)
class Result:
    """What an experiment measured.

    Attributes:
        rows: Numbers by name, one mapping a picture.
        stale: Models whose weights are newer.
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

    def names(self) -> list[str]:
        """Return the names of the numbers."""
        return [name for name in self.rows[0] if name not in ("item", "data")]

    def __len__(self) -> int:
        return len(self.rows)
