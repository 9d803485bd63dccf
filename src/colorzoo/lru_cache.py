"""Size-limited caches of computed results, and cache keys."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

MOST_BYTES = 256 << 20
_LEAST_BYTES = 1 << 12  # smaller results count as this size, which limits the number of results

T = TypeVar("T")
Column = TypeVar("Column")


class LRUCache:
    """Thread-safe cache of results with a maximum size in bytes.

    The least recently used result is evicted first. The newest result is kept even if it exceeds the maximum
    size.

    Examples:
        >>> cache = LRUCache()
        >>> cache.get("square of 3", lambda: 9), cache.get("square of 3", lambda: 0)
        (9, 9)

    Args:
        most_bytes: Maximum size of all results in bytes.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._results: OrderedDict[str, tuple[Any, int]] = OrderedDict()  # result and counted bytes
        self._total = 0
        self._lock = threading.Lock()

    def get(self, key: str, compute: Callable[[], T]) -> T:
        """Return the result for a key; compute and cache a missing result."""
        with self._lock:
            is_cached = key in self._results
            result: Any = self._results[key][0] if is_cached else None
        if not is_cached:
            result = compute()  # without the lock, so that computations of several threads overlap
        with self._lock:
            # measure the size at each use, because some results grow
            size = max(nbytes_of(result), _LEAST_BYTES)
            self._total += size - self._results.pop(key, (None, 0))[1]
            self._results[key] = result, size  # the last entry is the most recently used result
            while self._total > self._most and len(self._results) > 1:
                _, (_, freed) = self._results.popitem(last=False)
                self._total -= freed
        return cast(T, result)

    def __contains__(self, key: str) -> bool:
        """Return whether a result is cached for a key."""
        return key in self._results

    @property
    def nbytes(self) -> int:
        """Size of all results in bytes."""
        return self._total

    def clear(self) -> None:
        """Remove all results."""
        with self._lock:
            self._results.clear()
            self._total = 0


class ColumnCache(Generic[Column]):
    """Thread-safe cache of matrix columns.

    If new columns do not fit, all columns that the current call does not request are removed.

    Args:
        compute: Function that returns the columns at the given indices, in order.
        most: Maximum number of cached columns. The cache exceeds this number only if a single call requests
            more columns.
    """

    def __init__(self, compute: Callable[[list[int]], Iterable[Column]], most: int) -> None:
        self._compute, self._most = compute, most
        self._columns: dict[int, Column] = {}
        self._lock = threading.Lock()

    def of(self, numbers: list[int]) -> list[Column]:
        """Return the columns at the given indices, in order; compute missing columns."""
        with self._lock:
            missing = [number for number in dict.fromkeys(numbers) if number not in self._columns]
            if len(self._columns) + len(missing) > self._most:
                self._columns = {number: c for number, c in self._columns.items() if number in numbers}
            if missing:
                self._columns |= zip(missing, self._compute(missing), strict=True)
            return [self._columns[number] for number in numbers]

    @property
    def nbytes(self) -> int:
        """Size of all cached columns in bytes."""
        return nbytes_of(list(self._columns.values()))


def nbytes_of(value: object) -> int:
    """Return the size in bytes of the tensors and arrays in a value.

    Tuples, lists, mappings and dataclasses are searched; other objects can define an attribute ``nbytes``.
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
    """Return a cache key: a SHA-256 hash of values.

    The hash includes the content of tensors and the fields of dataclasses. Different values give different
    keys.

    If an object has an attribute ``cache_key``, that string is hashed instead of the object.
    """
    return _digest(values).hex()


def _digest(value: object) -> bytes:
    """Return the hash of a value: of its type, and of its content or the hashes of its parts.

    Hashes have a fixed length, so parts of different values cannot be joined to equal bytes.
    """
    key = getattr(value, "cache_key", None)
    parts: Iterable[object] | None = None
    content: Any = b""
    if isinstance(key, str):
        content = key.encode()
    elif isinstance(value, Tensor):  # as bytes, because NumPy has no bfloat16
        content = value.detach().cpu().resolve_conj().resolve_neg().reshape(-1).view(torch.uint8).numpy()
        parts = (str(value.dtype), *value.shape)
    elif isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value).data
        parts = (str(value.dtype), *value.shape)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, each.name) for each in fields(value))
    elif isinstance(value, Mapping):
        parts = (part for item in value.items() for part in item)
    elif isinstance(value, tuple | list):
        parts = value
    else:
        content = repr(value).encode()
    digest = sha256(f"{type(value).__qualname__}\n".encode())
    for part in parts or ():
        digest.update(_digest(part))
    digest.update(content)
    return digest.digest()
