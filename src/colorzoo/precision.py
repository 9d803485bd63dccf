"""Float32 computation inside autocast, for losses and outputs of papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

__all__ = ["at_least_float32", "distances", "in_float32"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_float32(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a function without autocast, on float32 copies of half-precision tensors.

    Losses and image warps need this, because bfloat16 has eight significant bits.

    Examples:
        >>> @in_float32
        ... def squared_error(ab, target):
        ...     return (ab - target).square().mean()
        ...
        >>> squared_error(torch.zeros(1, 2, 4, 4).bfloat16(), torch.ones(1, 2, 4, 4)).dtype
        torch.float32

    Args:
        function: Function of tensors, and of lists or tuples of tensors.
    """

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        devices = {tensor.device.type for tensor in _tensors([*args, *kwargs.values()])}
        with ExitStack() as without_autocast:
            for device in devices:
                without_autocast.enter_context(torch.autocast(device, enabled=False))
            float32_args: Any = [_float32(value) for value in args]
            float32_kwargs: Any = {name: _float32(value) for name, value in kwargs.items()}
            return function(*float32_args, **float32_kwargs)

    return run


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert a tensor of lower precision to float32, such as the output of a layer under autocast.

    Examples:
        >>> at_least_float32(torch.zeros(2).bfloat16()).dtype, at_least_float32(torch.zeros(2).double()).dtype
        (torch.float32, torch.float64)
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def distances(points: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean distances ``(..., N, M)`` of points ``(..., N, D)`` and ``(..., M, D)``.

    The function does not use matrix products, as `torch.cdist` does for more than 25 points. TF32 rounds
    matrix products to 11 bits, which changes the nearest point of many points.

    Examples:
        >>> distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """
    return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")


def _tensors(values: list[Any] | tuple[Any, ...]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            if value.is_floating_point():  # seeds of images stay on the CPU
                yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _float32(value: Any) -> Any:
    """Convert half-precision tensors, also in lists and tuples, and keep the types of lists and tuples."""
    if isinstance(value, Tensor):
        is_half_precision = value.dtype in (torch.bfloat16, torch.float16)
        return value.float() if is_half_precision else value
    if not isinstance(value, list | tuple):
        return value
    converted = [_float32(each) for each in value]
    if isinstance(value, tuple) and hasattr(value, "_make"):  # a named tuple
        return value._make(converted)
    return type(value)(converted)
