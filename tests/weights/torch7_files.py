"""Writer of Torch7 files, and of the Iizuka et al. 2016 network in the authors' layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(eq=False)
class T7Object:
    """Torch object whose content is a Lua table."""

    kind: str
    content: dict[Any, Any] = field(default_factory=dict)


class Function:
    """Lua function, which readers must not execute."""


class Writer:
    def __init__(self) -> None:
        self.out, self.indices, self.references = b"", dict[int, int](), list[Any]()
        self.storages: dict[int, Any] = {}

    def write(self, value: Any) -> bytes:
        if value is None:
            self.ints(0)
        elif isinstance(value, bool):
            self.ints(5, value)
        elif isinstance(value, int | float):
            self.ints(1)
            self.out += struct.pack("<d", value)
        elif isinstance(value, str):
            self.ints(2)
            self.text(value)
        elif isinstance(value, Function):
            self.ints(8)
            if self.is_new(value):
                self.text("\x1bLJ os.execute('false')")
                self.write({})
        elif isinstance(value, dict):
            self.ints(3)
            if self.is_new(value):
                self.ints(len(value))
                for pair in value.items():
                    for each in pair:
                        self.write(each)
        else:
            self.object(value)
        return self.out

    def object(self, value: Any) -> None:
        self.ints(4)
        if not self.is_new(value):
            return
        if isinstance(value, T7Object):
            self.name(value.kind)
            self.write(value.content)
            return
        kind = {"f8": "Double", "f4": "Float", "i8": "Long"}[value.dtype.str[1:]]
        self.name(f"torch.{kind}Tensor")
        base = value if value.base is None else value.base
        strides = [step // value.itemsize for step in value.strides]
        offset = (value.ctypes.data - base.ctypes.data) // value.itemsize
        self.ints(value.ndim)
        self.out += struct.pack(f"<{2 * value.ndim + 1}q", *value.shape, *strides, offset + 1)
        self.ints(4)
        if self.is_new(self.storages.setdefault(base.ctypes.data, object())):
            self.name(f"torch.{kind}Storage")
            self.out += struct.pack("<q", base.size) + base.tobytes()

    def is_new(self, value: Any) -> bool:
        known = id(value) in self.indices
        self.references.append(value)
        self.ints(self.indices.setdefault(id(value), len(self.indices) + 1))
        return not known

    def name(self, kind: str) -> None:
        self.text("V 1")
        self.text(kind)

    def text(self, text: str) -> None:
        self.ints(len(text))
        self.out += text.encode("latin-1")

    def ints(self, *values: int) -> None:
        self.out += struct.pack(f"<{len(values)}i", *values)


def layer(weight: np.ndarray, bias: np.ndarray) -> T7Object:
    """Return a layer with gradients, as stored in files of double tensors."""
    content = {"gradWeight": np.zeros_like(weight), "weight": weight, "bias": bias, "train": False}
    return T7Object("nn.Linear" if weight.ndim == 2 else "nn.SpatialConvolution", content)


def sequence(*parts: T7Object) -> T7Object:
    return T7Object("nn.Sequential", {"modules": dict(enumerate(parts, 1))})


def graph(*modules: T7Object | None) -> T7Object:
    """Return a network of nngraph, whose nodes refer to each other; nodes without a module are inputs."""
    nodes = [
        T7Object("nngraph.Node", {"data": {} if module is None else {"module": module}}) for module in modules
    ]
    for index, node in enumerate(nodes):
        node.content["children"] = {1: nodes[(index + 1) % len(nodes)]}  # a cycle
        node.content["data"]["annotations"] = {"print": Function()}
    backwards = dict(enumerate(reversed(nodes), 1))
    return T7Object("nn.gModule", {"bg": backwards, "forwardnodes": dict(enumerate(nodes, 1))})


def iizuka_network(state: Mapping[str, np.ndarray], mean: float) -> bytes:
    """Return the authors' file: ``low`` is stored twice, and layers named ``*1`` as matrices."""

    def parts(prefix: str, *names: str) -> list[T7Object]:
        found = []
        for name in names:
            weight, bias = (
                state[f"{prefix}.{name}.{part}"].astype(np.float64) for part in ("weight", "bias")
            )
            matrix = weight.reshape(len(weight), -1) if name.endswith("1") else weight
            found += [layer(matrix, bias), T7Object("nn.ReLU", {"inplace": True})]
        return found

    low = [f"conv{index}" for index in range(1, 7)]
    scene = sequence(*parts("low", *low), *parts("scene", "conv1", "conv2", "conv3", "conv4", "fc1", "fc2"))
    style = sequence(*parts("style", "fc3"), T7Object("nn.Replicate"), T7Object("nn.Replicate"))
    mid = sequence(*parts("mid", "conv1", "conv2"))
    color = sequence(*parts("color", *low))
    nodes = (None, None, None, sequence(*parts("low", *low)), mid, None, None, scene, style, color)
    return Writer().write({"model": graph(*nodes), "mean": mean})
