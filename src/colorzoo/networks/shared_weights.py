"""Frozen weights of other models inside a module, which weight files may omit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class BorrowedModel(nn.Module, Generic[M]):
    """Wrapper that freezes a model, whose weights may be missing in weight files.

    Examples:
        >>> borrowed = BorrowedModel(torch.nn.Conv2d(1, 2, 3))
        >>> borrowed.load_state_dict({})
        <All keys matched successfully>

    The parameters of the model receive no gradient, but gradients flow through the model to its inputs. The
    model stays in eval mode.

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
    """Freeze tensors of a module that were copied from another model.

    Loading a state dict without these keys succeeds and does not change the tensors, so weight files of the
    package omit them.

    Args:
        module: The module with loaded weights.
        keys: State dict keys of the tensors.
    """
    borrowed = frozenset(keys)
    for name, parameter in module.named_parameters():
        if name in borrowed:
            parameter.requires_grad_(False)
    hooked: Any = module  # the method is untyped in some torch releases
    hooked.borrowed_keys = borrowed
    hooked.register_load_state_dict_pre_hook(_supply)


def _supply(module: Any, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    for key in module.borrowed_keys:
        state_dict.setdefault(prefix + key, own[key].detach())
