"""Linear algebra for ONNX export, with loops over the rows of ``(B, n, n)`` matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from onnxscript import opset18 as op
from onnxscript import script
from onnxscript.onnx_types import TensorType
from onnxscript.values import Opset

_DOMAIN = Opset("colorzoo", 1)


@script(_DOMAIN, default_opset=op)  # type: ignore[untyped-decorator]
def cholesky(matrix: TensorType) -> TensorType:
    """Return the lower Cholesky factor of matrices; their upper triangles are ignored."""
    size = op.Gather(op.Shape(matrix), 1)
    rows = op.Unsqueeze(op.Range(0, size, 1), [1])
    factor = op.Slice(matrix, [0], [0], [2])  # columns computed so far
    for column in range(size):
        start = op.Unsqueeze(column, [0])
        known = op.Transpose(op.Slice(factor, start, start + 1, [1]), perm=[0, 2, 1])
        rest = op.Slice(matrix, start, start + 1, [2]) - op.MatMul(factor, known)
        pivot = op.Sqrt(op.Slice(rest, start, start + 1, [1]))
        factor = op.Concat(factor, op.Where(rows >= column, rest / pivot, op.CastLike(0, rest)), axis=2)
    return factor


@script(_DOMAIN, default_opset=op)  # type: ignore[untyped-decorator]
def solve_lower(factor: TensorType, right: TensorType) -> TensorType:
    """Return x of ``factor @ x = right`` for lower triangular factors (forward substitution)."""
    size = op.Gather(op.Shape(factor), 1)
    solution = op.Slice(right, [0], [0], [1])  # rows computed so far
    for row in range(size):
        start = op.Unsqueeze(row, [0])
        line = op.Slice(factor, start, start + 1, [1])
        known = op.MatMul(op.Slice(line, [0], start, [2]), solution)
        rest = op.Slice(right, start, start + 1, [1]) - known
        solution = op.Concat(solution, rest / op.Slice(line, start, start + 1, [2]), axis=1)
    return solution


def _cholesky_ex(matrix: Any) -> Any:
    return cholesky(matrix), op.Constant(value_int=0)


def _cholesky_solve(right: Any, factor: Any) -> Any:
    """Solve with the factor, then with its transpose.

    The transpose is upper triangular; reversing both axes makes it lower triangular.
    """
    half = solve_lower(factor, right)
    transposed = _reversed(_reversed(op.Transpose(factor, perm=[0, 2, 1]), 1), 2)
    return _reversed(solve_lower(transposed, _reversed(half, 1)), 1)


def _solve_triangular(factor: Any, right: Any, *, upper: bool) -> Any:
    if upper:
        raise NotImplementedError("upper triangular factors cannot be translated to ONNX")
    return solve_lower(factor, right)


def _reversed(values: Any, axis: int) -> Any:
    return op.Slice(values, [-1], [-(2**62)], [axis], [-1])


TRANSLATIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.linalg_cholesky_ex.default: _cholesky_ex,
    torch.ops.aten.cholesky_solve.default: _cholesky_solve,
    torch.ops.aten.linalg_solve_triangular.default: _solve_triangular,
}
"""Translation functions for ``torch.onnx.export``, by torch operator."""
