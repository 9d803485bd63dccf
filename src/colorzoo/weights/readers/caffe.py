"""Reader of ``.caffemodel`` weight files that does not require Caffe.

The reader parses protocol buffers. A NetParameter has layers (field 100), a layer has a name and blobs, and a
blob has a shape and packed floats. All other fields are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo._files import begins_with
from colorzoo.errors import WeightsError

CaffeLayers = Mapping[str, Sequence[NDArray[np.float32]]]
"""float32 blobs by layer name, in the order of Caffe: weight, bias."""

_STARTS = (b"\x0a", b"\xa2\x06")  # keys of the possible first fields: name, layer
_AFTER_NAME = (*_STARTS[1:], b"\x1a", b"\x20", b"\x28", b"\x32", b"\x38", b"\x42")  # layer, fields 3 to 8
_LONGEST_NAME = 128  # maximum length in bytes
_LAYER = 100  # field number in a NetParameter
_NAME, _BLOB = 1, 7  # field numbers in a layer
_DATA, _SHAPE = 5, 7  # field numbers in a blob
_VARINT, _LENGTH_DELIMITED = 0, 2  # wire types of protocol buffers
_FIXED_SIZES = {1: 8, 5: 4}  # bytes of a value, by wire type


class _MalformedError(Exception):
    pass


def is_caffe(path: Path) -> bool:
    """Return whether a file starts like the protocol buffer of a Caffe model."""
    with path.open("rb") as file:
        head = file.read(2 + _LONGEST_NAME + 2)
    if not head.startswith(_STARTS):
        return False
    if head[:1] != _STARTS[0]:
        return True
    end = 2 + head[1]  # end of the name
    return end < 2 + _LONGEST_NAME and head[2:end].isascii() and head[end:].startswith(_AFTER_NAME)


def read_caffe(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Read the blobs (weight arrays) of all layers of a Caffe model that have weights.

    Args:
        path: Binary NetParameter file, such as ``model.caffemodel``.

    Returns:
        Dict that maps layer names to lists of float32 arrays, with the shapes in the file.

    Raises:
        WeightsError: The file does not exist, is truncated or is not a Caffe model.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing; expected a Caffe model (.caffemodel)")
    try:
        layers = dict(_read_layers(memoryview(path.read_bytes())))
    except (_MalformedError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{path} is truncated or not a Caffe model ({error}). Download or copy the file again."
        ) from error
    if not layers:
        raise WeightsError(f"{path} contains no layer with weights; expected a Caffe model (.caffemodel)")
    return layers


def _read_layers(net: memoryview) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    for number, value in _fields(net):
        if number != _LAYER:
            continue
        name, blobs = "", []
        for inner, content in _fields(_message(value)):
            if inner == _NAME:
                name = bytes(_message(content)).decode()
            elif inner == _BLOB:
                blobs.append(_read_blob(_message(content)))
        if blobs:
            yield name, blobs


def _read_blob(blob: memoryview) -> NDArray[np.float32]:
    """Parse a BlobProto and return its values as an array."""
    floats, shape = [], []
    for number, value in _fields(blob):
        if number == _DATA:
            floats.append(_message(value))
        elif number == _SHAPE:
            shape = list(_read_shape(_message(value)))
    raw = b"".join(floats)
    if len(raw) % 4:
        raise _MalformedError("truncated blob")
    values = np.frombuffer(raw, dtype="<f4").astype(np.float32)
    if math.prod(shape) != values.size:
        raise _MalformedError(
            f"the number of values in a blob must match its shape {tuple(shape)}, got {values.size}"
        )
    return values.reshape(shape)


def _read_shape(shape: memoryview) -> Iterator[int]:
    for number, value in _fields(shape):
        if number != 1:
            continue
        if isinstance(value, int):
            yield value
            continue
        position = 0
        while position < len(value):
            size, position = _varint(value, position)
            yield size


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field: integers as int, all other types as bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            size, position = _varint(message, position)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise _MalformedError(f"a field has the unknown type {wire_type}")
        end = position + size
        if end > len(message):
            raise _MalformedError("truncated field")
        yield number, message[position:end]
        position = end


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Parse a variable-length integer; return the integer and the position after it."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
    raise _MalformedError("truncated varint" if shift < 64 else "varint of more than 64 bits")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _MalformedError("expected a protobuf message, found an integer")
    return value


def read_caffe_blobs(path: Path) -> dict[str, Tensor]:
    """Read a Caffe model and return its blobs as tensors ``LAYER.0``, ``LAYER.1`` ..."""
    layers = read_caffe(path).items()
    return {f"{name}.{i}": torch.from_numpy(blob) for name, blobs in layers for i, blob in enumerate(blobs)}


def is_caffe_hdf5(path: Path) -> bool:
    """Return whether a file is in HDF5 format."""
    return begins_with(path, b"\x89HDF\r\n\x1a\n")


def read_caffe_hdf5(path: Path) -> dict[str, Tensor]:
    """Return a dict that maps HDF5 paths in a ``.caffemodel.h5`` file to weight tensors.

    An HDF5 path, such as ``data/conv1_1/0``, contains the layer name and the index of the blob.

    Raises:
        WeightsError: The file is damaged, contains no arrays, or the package h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"{path} is an HDF5 file, which requires h5py. Run `python -m pip install h5py`."
        ) from error
    tensors: dict[str, Tensor] = {}

    def add_float_array(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            native_array = item[()].astype(item.dtype.newbyteorder("="))
            tensors[name] = torch.from_numpy(native_array)

    try:
        with h5py.File(path) as file:
            file.visititems(add_float_array)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path} is truncated or not a Caffe model in HDF5 ({error}). Download or copy the file again."
        ) from error
    if not tensors:
        raise WeightsError(f"{path} contains no arrays; expected a Caffe model in HDF5 (.caffemodel.h5)")
    return tensors
