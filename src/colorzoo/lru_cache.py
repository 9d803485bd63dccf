"""The one memory of results: bounded in bytes, keyed by what a result depends on.

An edit of an image is the same work with another input; what it leaves unchanged is found here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar, cast

import numpy as np
from torch import Tensor

MOST_BYTES = 256 << 20
_LEAST_BYTES = 1 << 12  # that a result counts as, so that small ones do not grow without number

T = TypeVar("T")
Column = TypeVar("Column")


class LRUCache:
    """Results by their keys, for use from several threads.

    The least recently used ones are forgotten first; the newest is kept, however large it is.

    Examples:
        >>> memory = Memory()
        >>> memory.get("square of 3", lambda: 9), memory.get("square of 3", lambda: 0)
        (9, 9)

    Args:
        most_bytes: Bytes of all results together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._results: OrderedDict[str, tuple[Any, int]] = OrderedDict()  # with the bytes they count as
        self._total = 0
        self._lock = threading.Lock()

    def get(self, key: str, compute: Callable[[], T]) -> T:
        """Return the result of a key, computed if it is not remembered."""
        with self._lock:
            if key in self._results:
                return cast(T, self._keep(key, self._results[key][0]))
        found = compute()  # without the lock, so that threads do not wait for each other
        with self._lock:
            return cast(T, self._keep(key, found))

    def __contains__(self, key: str) -> bool:
        """Return whether the result of a key is remembered."""
        return key in self._results

    @property
    def nbytes(self) -> int:
        """Bytes of all results."""
        return self._total

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._results.clear()
            self._total = 0

    def _keep(self, key: str, result: object) -> object:
        """Make a result the newest one, and forget the oldest ones if there are too many."""
        # measured at each use, because some results grow with it
        size = max(nbytes_of(result), _LEAST_BYTES)
        self._total += size - self._results.pop(key, (None, 0))[1]
        self._results[key] = result, size
        while self._total > self._most and len(self._results) > 1:
            _, (_, freed) = self._results.popitem(last=False)
            self._total -= freed
        return result


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


def nbytes_of(value: object) -> int:
    """Return the bytes of tensors and arrays in a value; other parts count as nothing.

    An object that holds them otherwise states their number as ``nbytes``.
    """
    if isinstance(value, tuple | list):
        return sum(map(nbytes_of, value))
    stated = getattr(value, "nbytes", None)
    if isinstance(stated, int):
        return stated
    if isinstance(value, Mapping):
        return sum(map(nbytes_of, value.values()))
    if is_dataclass(value):
        return sum(nbytes_of(getattr(value, each.name)) for each in fields(value))
    return 0


def key_of(*values: object) -> str:
    """Return a key that equal values share: tensors by their content, dataclasses by their fields.

    An object with an attribute ``cache_key`` is represented by it.
    """
    digest = sha256()
    for value in values:
        _add(digest.update, value)
    return digest.hexdigest()


def _add(update: Callable[[Any], object], value: object) -> None:
    key = getattr(value, "cache_key", None)
    if isinstance(key, str):
        update(f"{type(value).__name__}({key})".encode())
        return
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous().numpy()
    if isinstance(value, np.ndarray):
        update(f"{value.dtype} {value.shape}:".encode())
        update(np.ascontiguousarray(value).data)
    elif is_dataclass(value) and not isinstance(value, type):
        update(f"{type(value).__name__}(".encode())
        for each in fields(value):
            _add(update, getattr(value, each.name))
        update(b")")
    elif isinstance(value, Mapping):
        for name, each in value.items():
            update(f"{name!r}:".encode())
            _add(update, each)
    elif isinstance(value, tuple | list):
        update(b"(")
        for each in value:
            _add(update, each)
        update(b")")
    else:
        update(f"{value!r},".encode())
