"""Frozen weights of other models inside a module, excluded from its state dict."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class BorrowedModel(nn.Module, Generic[M]):
    """Wrapper of a frozen model whose weights are stored in another file.

    Examples:
        >>> borrowed = BorrowedModel(torch.nn.Conv2d(1, 2, 3))
        >>> len(borrowed.state_dict())
        0

    The parameters of the model receive no gradient, but its inputs do. The model stays in eval mode. Its keys
    are not in the state dict, so they are neither saved nor reported as missing on loading.

    Args:
        model: The model with loaded weights.
    """

    model: M

    def __init__(self, model: M) -> None:
        super().__init__()
        self.model = model.eval()
        borrow(self, [f"model.{key}" for key in model.state_dict()])

    def train(self, mode: bool = True) -> BorrowedModel[M]:
        """Set the mode of the wrapper; the wrapped model stays in eval mode."""
        self.training = mode
        return self


def borrow(module: nn.Module, keys: Iterable[str]) -> None:
    """Exclude tensors of a module from its state dict and freeze them.

    If a state dict without these keys is loaded, the tensors do not change.

    Args:
        module: The module with loaded weights.
        keys: State dict keys to exclude.
    """
    borrowed = frozenset(keys)
    for name, parameter in module.named_parameters():
        if name in borrowed:
            parameter.requires_grad_(False)

    # The hooks store keys, not the module, so hooks of a copied module do not refer to the original.
    hooked: Any = module  # these methods are untyped in some torch releases
    hooked.register_state_dict_post_hook(partial(_drop, borrowed))
    hooked.register_load_state_dict_pre_hook(partial(_supply, borrowed))


def _drop(
    keys: Iterable[str], module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    del module
    for key in keys:
        state_dict.pop(prefix + key, None)


def _supply(
    keys: Iterable[str], module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    for key in keys:
        state_dict.setdefault(prefix + key, own[key].detach())
