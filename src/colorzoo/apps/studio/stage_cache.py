"""Cache of the drawing pads, so that an edit runs only the stages whose inputs changed."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from cachetools import LRUCache

_MAX_BYTES = 256 << 20
_MIN_BYTES = 1 << 12  # smaller results count as this size, which limits the number of results


class StageCache(LRUCache[Hashable, Any]):
    """Thread-safe cache of stage results, limited to 256 MiB; see `ColorizeTask.results`.

    A larger result is not stored, and a stored result that has become larger is removed.
    """

    def __init__(self) -> None:
        super().__init__(_MAX_BYTES, getsizeof=lambda result: max(nbytes_of(result), _MIN_BYTES))
        self._lock = threading.RLock()

    def __getitem__(self, key: Hashable) -> Any:
        """Return a result, which becomes the most recently used result."""
        with self._lock:
            return super().__getitem__(key)

    def __setitem__(self, key: Hashable, result: Any) -> None:
        """Store a result; remove the least recently used results to make room."""
        with self._lock:
            if self.getsizeof(result) <= self.maxsize:
                super().__setitem__(key, result)
            else:
                self.pop(key, None)

    def clear(self) -> None:
        """Remove all results."""
        with self._lock:
            super().clear()


def nbytes_of(value: object) -> int:
    """Return the size in bytes of the tensors and arrays in a result."""
    if isinstance(value, partial):
        value = value.args
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return sum(map(nbytes_of, value))
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if is_dataclass(value):
        return sum(nbytes_of(getattr(value, field.name)) for field in fields(value))
    return 0
