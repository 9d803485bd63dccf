"""Taking a state dict out of what authors save around it, by structure and never by model.

==========================================================  =================================================
what the file holds                                         what comes out
==========================================================  =================================================
tensors by name                                             themselves
a Lightning checkpoint                                      its ``state_dict``, untouched
``{"params": {...}}`` and the other `WRAPPERS`              what is inside; the first that is there
``{"encoder": {...}, "decoder": {...}, "optimizer": ...}``  ``encoder.KEY`` and ``decoder.KEY``
names that all begin with ``module.``                       the same without it
==========================================================  =================================================

What is no state dict (arguments, epochs, optimizers, scalers of mixed precision) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("params_ema", "params", "model", "state_dict")
"""Names under which a state dict is saved; the first that is there wins, so averages before the last step."""

PARALLEL = "module."
"""What DataParallel puts before every name."""

_DEEPEST = 3  # wrappers in wrappers; a pickle may hold itself


def unwrap(content: object) -> dict[str, Tensor] | None:
    """Return the tensors by name in the content of a PyTorch file; None if it has none."""
    if isinstance(content, Mapping) and "pytorch-lightning_version" in content:
        inner: Any = content.get("state_dict")
        return dict(inner) if is_state_dict(inner) else None
    return _unwrap(content, _DEEPEST)


def is_state_dict(content: object) -> bool:
    """Say whether something is a mapping of names to tensors, and not empty."""
    import torch

    if not isinstance(content, Mapping) or not content:
        return False
    return all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())


def _unwrap(content: object, depth: int) -> dict[str, Tensor] | None:
    if is_state_dict(content):
        return _without_parallel(content)
    if not isinstance(content, Mapping) or not depth:
        return None
    for name in WRAPPERS:
        if (inner := _unwrap(content.get(name), depth - 1)) is not None:
            return inner
    return _join_parts(content) or None


def _join_parts(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors of all state dicts in a mapping, each below the name of its part."""
    return {
        f"{part}.{name}": tensor
        for part, inner in content.items()
        if isinstance(part, str) and is_state_dict(inner)
        for name, tensor in _without_parallel(inner).items()
    }


def _without_parallel(state_dict: Any) -> dict[str, Tensor]:
    if all(name.startswith(PARALLEL) for name in state_dict):
        return {name.removeprefix(PARALLEL): tensor for name, tensor in state_dict.items()}
    return dict(state_dict)
