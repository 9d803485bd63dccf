"""Reader of Caffe models in HDF5 (``.caffemodel.h5``) without HDF5: the part of the format that Caffe writes.

Datasets are whole arrays of floats in groups of the first kind: a B-tree of nodes with the places of names,
in a heap, and of object headers. Tensors are named by their path, such as ``data/conv1_1/0``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from colorzoo.errors import WeightsError
from colorzoo.weights.readers import Reader, WeightContent, begins_with

if TYPE_CHECKING:
    from torch import Tensor

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ROOT = 56  # place of the root group's entry in a superblock of the first kind, with addresses of 8 bytes
_SPACE, _TYPE, _LAYOUT, _CONTINUED, _GROUP = 0x1, 0x3, 0x8, 0x10, 0x11  # kinds of messages
_FLOAT, _CONTIGUOUS = 1, 1
_DEEPEST = 8  # groups in groups


class _MalformedError(Exception):
    pass


class _Message(NamedTuple):
    kind: int
    start: int


class _File:
    """Objects by their address in a file's bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        version, offset_size, length_size = data[8], data[13], data[14]
        if version != 0 or (offset_size, length_size) != (8, 8):
            raise _MalformedError(f"version {version} with addresses of {offset_size} bytes")

    def tensors(self, header: int, path: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
        """Yield the datasets below an object header by their path."""
        if depth > _DEEPEST:
            raise _MalformedError("groups without end")
        messages = {message.kind: message.start for message in self._messages(header)}
        if _GROUP in messages:
            tree, heap = self._unpack("<QQ", messages[_GROUP])
            (names,) = self._unpack("<Q", self._signed(heap, b"HEAP") + 24)
            for name, entry in self._entries(tree):
                text = f"{path}/{self._text(names + name)}" if path else self._text(names + name)
                yield from self.tensors(entry, text, depth + 1)
        elif {_SPACE, _TYPE, _LAYOUT} <= messages.keys():
            yield path, self._dataset(messages, path)

    def root(self) -> int:
        """Return the address of the root group's header."""
        return int(self._unpack("<QQ", _ROOT)[1])

    def _entries(self, tree: int, depth: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the place of the name and the address of the header of each member of a group."""
        if self.data[tree : tree + 4] == b"SNOD":
            (count,) = self._unpack("<H", tree + 6)
            for index in range(count):
                yield self._unpack("<QQ", tree + 8 + 40 * index)
            return
        if depth > _DEEPEST:
            raise _MalformedError("a tree without end")
        (count,) = self._unpack("<H", self._signed(tree, b"TREE") + 6)
        for index in range(count):  # keys and children in turn
            (child,) = self._unpack("<Q", tree + 32 + 16 * index)
            yield from self._entries(child, depth + 1)

    def _messages(self, header: int) -> Iterator[_Message]:
        """Yield the messages of an object header, also of its continuations."""
        version, _, count, _, size = self._unpack("<BBHII", header)
        if version != 1:
            raise _MalformedError(f"an object header of version {version}")
        blocks = [(header + 16, size)]
        for start, length in blocks:
            end = start + length
            while start + 8 <= end and count:
                kind, length_here = self._unpack("<HH", start)
                if kind == _CONTINUED:
                    blocks.append(self._unpack("<QQ", start + 8))
                yield _Message(kind, start + 8)
                start, count = start + 8 + length_here, count - 1

    def _dataset(self, messages: Mapping[int, int], path: str) -> Tensor:
        import torch

        at = messages[_SPACE]
        version, axes = self._unpack("<BB", at)
        shape = self._unpack(f"<{axes}Q", at + (8 if version == 1 else 4))
        kind, (size,) = self.data[messages[_TYPE]] & 0xF, self._unpack("<I", messages[_TYPE] + 4)
        big_endian = self.data[messages[_TYPE] + 1] & 1
        layout, storage, address = self._unpack("<BBQ", messages[_LAYOUT])
        if kind != _FLOAT or size not in (2, 4, 8) or big_endian:
            raise _MalformedError(f"{path} holds no floats")
        if layout != 3 or storage != _CONTIGUOUS:
            raise _MalformedError(f"{path} is compressed or in pieces")
        count = math.prod(shape)
        if address + count * size > len(self.data):
            raise _MalformedError(f"it ends within {path}")
        values = np.frombuffer(self.data, f"<f{size}", count, address)
        return torch.from_numpy(values.reshape(shape).copy())

    def _signed(self, address: int, signature: bytes) -> int:
        if self.data[address : address + 4] != signature:
            raise _MalformedError(f"no {signature.decode()} where one was expected")
        return address

    def _text(self, address: int) -> str:
        end = self.data.index(b"\0", address)
        return self.data[address:end].decode()

    def _unpack(self, format_: str, address: int) -> Any:
        return struct.unpack_from(format_, self.data, address)


def _matches(path: Path) -> bool:
    return begins_with(path, (_SIGNATURE,))


def _read(path: Path, trust_pickle: bool) -> WeightContent:
    del trust_pickle  # these files hold none
    try:
        file = _File(path.read_bytes())
        found = dict(file.tensors(file.root()))
    except (_MalformedError, struct.error, IndexError, ValueError, OverflowError) as error:
        raise WeightsError(
            f"{path} is truncated or no Caffe model in HDF5 ({error}); fetch or copy it again"
        ) from error
    if not found:
        raise WeightsError(f"{path} holds no arrays; expected a Caffe model in HDF5 (.caffemodel.h5)")
    return WeightContent(path, found, {})


READER = Reader(_matches, _read)
