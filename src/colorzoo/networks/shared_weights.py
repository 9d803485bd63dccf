"""Frozen weights of other models inside a module, excluded from its state dict."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class BorrowedModel(nn.Module, Generic[M]):
    """Wrapper that freezes a model and excludes its weights from the state dict.

    Examples:
        >>> borrowed = BorrowedModel(torch.nn.Conv2d(1, 2, 3))
        >>> len(borrowed.state_dict())
        0

    The parameters of the model receive no gradient, but gradients flow through the model to its inputs. The
    model stays in eval mode. Its weights are not saved, and loading does not report them as missing.

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

    Loading a state dict without these keys succeeds and does not change the tensors.

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
