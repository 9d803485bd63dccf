"""Weights that come from elsewhere: they move with a module, but are neither trained nor saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class BorrowedModel(nn.Module, Generic[M]):
    """Holds a model whose weights come from elsewhere.

    Its parameters take no gradient (what flows through the model does), it stays in evaluation mode, and it
    is no part of a state dict: neither missing when one is loaded, nor written.

    Args:
        model: Loaded already.
    """

    model: M

    def __init__(self, model: M) -> None:
        super().__init__()
        self.model = model.eval()
        borrow(self, [f"model.{key}" for key in model.state_dict()])

    def train(self, mode: bool = True) -> BorrowedModel[M]:
        """Set the mode of this shell alone."""
        self.training = mode
        return self


def borrow(module: nn.Module, keys: Iterable[str]) -> None:
    """Keep some tensors of a module out of its state dicts and out of training.

    A state dict that is loaded need not hold them: the module's own stay.

    Args:
        module: Holds them already.
        keys: Of its state dict.
    """
    borrowed = frozenset(keys)
    for name, parameter in module.named_parameters():
        if name in borrowed:
            parameter.requires_grad_(False)

    # They know keys alone, not the module, so that a copied module's hooks do not speak of the original.
    def drop(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, metadata: Any) -> None:
        del module, metadata
        for key in borrowed:
            state_dict.pop(prefix + key, None)

    def supply(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        for key in borrowed:
            state_dict.setdefault(prefix + key, own[key].detach())

    hooked: Any = module  # torch does not type these methods in all its releases
    hooked.register_state_dict_post_hook(drop)
    hooked.register_load_state_dict_pre_hook(supply)
