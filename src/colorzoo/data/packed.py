"""Many strings in two flat tensors: no object per string, and one copy for all worker processes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import torch
from torch import Tensor


class PackedStrings(Sequence[str]):
    """An immutable sequence of file names.

    A Python list of a million names costs 150 MB and, because reading one touches its reference count, each
    forked worker soon has a copy of its own. Tensors are never touched by reading, and with ``spawn`` they
    travel through shared memory.

    Args:
        blob: uint8, the encoded names one after another.
        ends: int64, where each name ends in ``blob``.
    """

    def __init__(self, blob: Tensor, ends: Tensor) -> None:
        self._blob, self._ends = blob, ends
        # Views of the same memory: reading through them is ten times faster than indexing tensors.
        self._bytes, self._stops = blob.numpy().data, ends.numpy().data

    def __reduce__(self) -> tuple[type[PackedStrings], tuple[Tensor, Tensor]]:
        return PackedStrings, (self._blob, self._ends)

    @classmethod
    def of(cls, strings: Iterable[str]) -> PackedStrings:
        """Pack strings; the iterable is consumed one by one, so it need never exist as a list."""
        blob, ends = bytearray(), array("q")
        for string in strings:
            blob += os.fsencode(string)
            ends.append(len(blob))
        return cls(tensor_of(blob, torch.uint8), tensor_of(ends, torch.int64))

    def __len__(self) -> int:
        return len(self._stops)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]  # negative indices, and IndexError beyond the end
        start = self._stops[index - 1] if index else 0
        return os.fsdecode(self._bytes[start : self._stops[index]].tobytes())


def tensor_of(buffer: bytearray | array[int] | array[float], dtype: torch.dtype) -> Tensor:
    """Return a tensor that shares the memory of a buffer (which torch refuses for an empty one)."""
    return torch.frombuffer(buffer, dtype=dtype) if len(buffer) else torch.empty(0, dtype=dtype)
