"""Cache for the columns of a large matrix, which are computed when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from colorzoo.memory import nbytes_of

Column = TypeVar("Column")


class ColumnCache(Generic[Column]):
    """Columns of a matrix, each computed once; safe to use from several threads.

    If a new column does not fit, all columns that the call does not ask for are dropped.

    Args:
        compute: Returns the columns of some numbers, in their order.
        most: Number of columns to keep; more may be asked for at once.
    """

    def __init__(self, compute: Callable[[list[int]], Iterable[Column]], most: int) -> None:
        self._compute, self._most = compute, most
        self._columns: dict[int, Column] = {}
        self._lock = threading.Lock()

    def of(self, numbers: list[int]) -> list[Column]:
        """Return the columns with the given indices, in that order."""
        with self._lock:
            missing = [number for number in dict.fromkeys(numbers) if number not in self._columns]
            if len(self._columns) + len(missing) > self._most:
                needed = set(numbers)
                self._columns = {number: c for number, c in self._columns.items() if number in needed}
            if missing:
                self._columns |= zip(missing, self._compute(missing), strict=True)
            return [self._columns[number] for number in numbers]

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return nbytes_of(list(self._columns.values()))
