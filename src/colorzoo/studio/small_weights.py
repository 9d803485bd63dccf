"""ONNX graphs with their weights in fewer bits, computed in float32 all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_FEWEST = 64  # values of a tensor; smaller ones hold constants of the arithmetic
_MATRIX = 2**16  # values of a matrix from which on 8 bits are worth it
# of the largest value of a tensor; embedded weights are stored in half precision themselves
_ERROR = 2.0**-10

Stored = tuple[list["TensorProto"], "NodeProto"]
"""What stands for a tensor, and the node that makes its float32 values of it."""


def small_weights(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return a graph whose weights are stored small and brought to float32 where they are used.

    Large matrices are stored in 8 bits with a scale for each output, all else as float16. Tensors that would
    not survive (too large, or of a wide range) stay in float32.

    Args:
        path: The ONNX file.

    Returns:
        The graph, and the names of its outputs.
    """
    import onnx

    model = onnx.load(path)
    kept, nodes = [], []
    for tensor in model.graph.initializer:
        store = _way(model, tensor)
        if store is None:
            kept.append(tensor)
            continue
        tensors, node = store(tensor)
        kept.extend(tensors)
        nodes.append(node)
    nodes.extend(model.graph.node)
    for field, content in ((model.graph.initializer, kept), (model.graph.node, nodes)):
        del field[:]
        field.extend(content)
    onnx.checker.check_model(model)
    return model.SerializeToString(), tuple(output.name for output in model.graph.output)


def _way(model: ModelProto, tensor: TensorProto) -> Callable[[TensorProto], Stored] | None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return None
    values = numpy_helper.to_array(tensor)
    readers = {node.op_type for node in model.graph.node if tensor.name in node.input}
    if values.ndim == 2 and values.size >= _MATRIX and readers == {"Gemm"}:
        return _in_eight_bits
    return _in_half if _survives(values) else None


def _in_half(tensor: TensorProto) -> Stored:
    from onnx import TensorProto, helper, numpy_helper

    half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}.half")
    return [half], helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT)


def _in_eight_bits(tensor: TensorProto) -> Stored:
    from onnx import helper, numpy_helper

    values = numpy_helper.to_array(tensor)
    scale = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny) / 127
    levels = np.rint(values / scale).astype(np.int8)
    tensors = [
        numpy_helper.from_array(levels, f"{tensor.name}.levels"),
        numpy_helper.from_array(scale.astype(np.float32), f"{tensor.name}.scale"),
    ]
    names = [part.name for part in tensors]
    return tensors, helper.make_node("DequantizeLinear", names, [tensor.name], axis=1)


def _survives(values: np.ndarray) -> bool:
    largest = float(np.abs(values).max(initial=0))
    if values.size < _FEWEST or largest >= float(np.finfo(np.float16).max):
        return False
    half = values.astype(np.float16).astype(np.float32)
    return float(np.abs(half - values).max()) <= _ERROR * largest
