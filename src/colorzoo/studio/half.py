"""ONNX graphs with their weights in half precision: half the file, and computed in float32 all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_FEWEST = 64  # values of a tensor; smaller ones hold constants of the arithmetic
# of the largest value of a tensor; embedded weights are stored in half precision themselves
_ERROR = 2.0**-10


def half_weights(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return a graph whose weights are stored as float16 and cast to float32 where they are used.

    Tensors that would not survive (too large, or of a wide range) stay in float32.

    Args:
        path: The ONNX file.

    Returns:
        The graph, and the names of its outputs.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or not _survives(values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString(), tuple(output.name for output in model.graph.output)


def _survives(values: np.ndarray) -> bool:
    largest = float(np.abs(values).max(initial=0))
    if values.size < _FEWEST or largest >= float(np.finfo(np.float16).max):
        return False
    half = values.astype(np.float16).astype(np.float32)
    return float(np.abs(half - values).max()) <= _ERROR * largest
