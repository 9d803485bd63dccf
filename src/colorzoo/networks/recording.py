"""Recording of layer outputs with forward hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Any

from torch import Tensor, nn


def layer_outputs(model: nn.Module, layers: Sequence[str], run: Callable[[], object]) -> tuple[Tensor, ...]:
    """Run a model and return the output of the first call of each listed layer.

    Examples:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3))
        >>> maps = layer_outputs(model, ("1",), lambda: model(torch.zeros(1, 1, 16, 16)))
        >>> maps[0].shape
        torch.Size([1, 8, 14, 14])

    Args:
        model: The model.
        layers: Module names; the outputs are returned in this order. A module that returns several tensors
            contributes all of them.
        run: Callable that runs the model.
    """
    outputs: dict[str, Tensor | Sequence[Tensor]] = {}
    thread = get_ident()

    def store_first_output(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if get_ident() == thread:  # the hooks also receive the outputs of other threads
            outputs.setdefault(name, output)

    handles = []
    for name in layers:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_hook(partial(store_first_output, name)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    tensors: list[Tensor] = []
    for name in layers:
        output = outputs[name]
        tensors.extend([output] if isinstance(output, Tensor) else output)
    return tuple(tensors)
