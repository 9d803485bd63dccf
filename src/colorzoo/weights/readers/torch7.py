"""Reader of ``.t7`` weight files (Torch7, packages nn and nngraph) without Torch7.

A file contains one object: a number, a string, a table, or an instance of a class. The content of an instance
is a table or a tensor. Tables and instances are numbered. If an object occurs again, only its number is
stored. Lua functions in the file are skipped.

The name of a weight is its path in the network. For example, ``model.4.1.weight`` belongs to the first layer
in the fourth node of the network ``model``. Layers are listed in the order of the forward pass, and shared
layers are listed once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo._files import begins_with
from colorzoo.errors import WeightsError

_NIL, _NUMBER, _TEXT, _TABLE, _OBJECT, _BOOLEAN, _FUNCTION = range(7)
_RECURSIVE_FUNCTIONS = (7, 8)
_STARTS = (b"\x03\0\0\0\x01\0\0\0", b"\x04\0\0\0\x01\0\0\0")  # a file starts with a table or an object
_KINDS = {"Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2"}
_KINDS |= {
    "Byte": "u1",
    "Char": "i1",
    "Cuda": "<f4",
    "CudaDouble": "<f8",
    "CudaHalf": "<f2",
    "CudaLong": "<i8",
}
_KEPT = ("weight", "bias", "running_mean", "running_var")
_MOST_AXES = 16


class _MalformedError(Exception):
    pass


@dataclass
class _Table:
    """A table, or an instance of a class whose content is a table."""

    kind: str = ""
    content: dict[Any, Any] = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[str, _Table]]:
        """Yield the layers of a network with their indices, in the order of the forward pass."""
        found = self.content.get("forwardnodes", self.content.get("modules"))
        entries = found.content if isinstance(found, _Table) else {}
        for number in sorted(key for key in entries if isinstance(key, int)):
            part = entries[number]
            if isinstance(part, _Table) and isinstance(data := part.content.get("data"), _Table):
                part = data.content.get("module")  # nngraph stores the layer in a node
            if isinstance(part, _Table):
                yield str(number), part


class _File:
    """Parser of the objects in a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0
        self.seen: dict[int, Any] = {}

    def read(self) -> Any:
        """Return the object at the current position as a Python value, `_Table` or array."""
        kind = self._int()
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self._unpack("<d")
        if kind == _TEXT:
            return self._text()
        if kind == _BOOLEAN:
            return bool(self._int())
        if kind == _FUNCTION:
            return self._function()
        if kind not in (_TABLE, _OBJECT, *_RECURSIVE_FUNCTIONS):
            raise _MalformedError(f"unsupported type {kind}")
        index = self._int()
        if index in self.seen:
            return self.seen[index]
        if kind in _RECURSIVE_FUNCTIONS:
            self.seen[index] = None
            return self._function()
        return self._table(index, _Table()) if kind == _TABLE else self._object(index)

    def _object(self, index: int) -> Any:
        name = self._text()
        if name.startswith("V "):  # a version number precedes the class name
            name = self._text()
        package, _, short = name.partition(".")
        if package == "torch" and short.endswith("Storage"):
            return self._keep(index, self._storage(short.removesuffix("Storage")))
        if package == "torch" and short.endswith("Tensor"):
            return self._keep(index, self._tensor())
        node = self._keep(index, _Table(name))
        table = self.read()
        if isinstance(table, _Table):
            node.content = table.content
        return node

    def _table(self, index: int, node: _Table) -> _Table:
        self._keep(index, node)
        for _ in range(self._int()):
            key, value = self.read(), self.read()
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if isinstance(key, int | str):
                node.content[key] = value
        return node

    def _storage(self, kind: str) -> NDArray[Any]:
        if kind not in _KINDS:
            raise _MalformedError(f"unsupported torch.{kind}Storage")
        dtype, size = np.dtype(_KINDS[kind]), self._unpack("<q")
        start = self._skip(size * dtype.itemsize)
        return np.frombuffer(self.data, dtype, size, start)

    def _tensor(self) -> NDArray[Any]:
        axes = self._int()
        if not 0 <= axes <= _MOST_AXES:
            raise _MalformedError(f"tensors with {axes} axes are not supported")
        shape = [self._unpack("<q") for _ in range(axes)]
        strides = [self._unpack("<q") for _ in range(axes)]
        offset, storage = self._unpack("<q") - 1, self.read()  # offsets start at 1
        if not isinstance(storage, np.ndarray) or not axes:
            return np.empty(0, np.float32)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if min(shape) < 0 or min(strides) < 0 or offset < 0 or (min(shape) and last >= storage.size):
            raise _MalformedError("a tensor exceeds its storage")
        steps = [stride * storage.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)

    def _function(self) -> None:
        self._skip(self._int())
        self.read()  # skip the captured variables of the function

    def _keep(self, index: int, found: Any) -> Any:
        self.seen[index] = found
        return found

    def _text(self) -> str:
        size = self._int()
        start = self._skip(size)
        return self.data[start : start + size].decode("latin-1")

    def _int(self) -> int:
        return int(self._unpack("<i"))

    def _unpack(self, kind: str) -> Any:
        start = self._skip(struct.calcsize(kind))
        return struct.unpack_from(kind, self.data, start)[0]

    def _skip(self, size: int) -> int:
        """Advance by ``size`` bytes and return the previous position."""
        start = self.position
        if size < 0 or start + size > len(self.data):
            raise _MalformedError("truncated object")
        self.position += size
        return start


def _weights(node: _Table, name: str, done: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of a network, or of the networks and tensors in a table."""
    if id(node) in done:
        return
    done.add(id(node))
    for key in _KEPT:
        value = node.content.get(key)
        if isinstance(value, np.ndarray) and value.size:
            yield f"{name}{key}", torch.from_numpy(np.array(value))
    for number, part in node.parts():
        yield from _weights(part, f"{name}{number}.", done)
    if node.kind:
        return
    for key, value in sorted(node.content.items(), key=lambda entry: str(entry[0])):
        if isinstance(value, _Table):
            yield from _weights(value, f"{name}{key}.", done)
        elif isinstance(value, float):
            yield f"{name}{key}", torch.tensor(value)


def is_torch7(path: Path) -> bool:
    """Return whether a file starts like a Torch7 object."""
    return begins_with(path, *_STARTS)


def read_torch7(path: Path) -> dict[str, Tensor]:
    """Read a Torch7 network and return a dict that maps weight names to tensors.

    No code in the file is executed.

    Raises:
        WeightsError: The file is damaged or contains no network.
    """
    try:
        found = _File(path.read_bytes()).read()
        state_dict = dict(_weights(found, "", set())) if isinstance(found, _Table) else {}
    except (_MalformedError, struct.error, RecursionError, ValueError) as error:
        raise WeightsError(
            f"{path} is truncated or not a Torch7 file ({error}). Download or copy the file again."
        ) from error
    if not state_dict:
        raise WeightsError(
            f"{path} contains no network with weights; expected a Torch7 network (nn or nngraph)"
        )
    return state_dict
