"""Models in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class KeepDouble(TorchFunctionMode):
    """Context in which casts to float32 are casts to float64.

    Networks leave autocast's lower precision by ``.float()`` where digits count. In a model in float64 that
    would lose digits and meet weights of another type.

    Examples:
        >>> with KeepDouble():
        ...     torch.zeros(2, dtype=torch.float64).float().dtype
        torch.float64
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, with float64 in place of float32."""
        if func is Tensor.float:
            return args[0].double()
        named = {name: _double(value) for name, value in (kwargs or {}).items()}
        return func(*map(_double, args), **named)


def _double(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
