"""A trained model inside another one: it moves between devices with it, but is neither trained nor saved."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Frozen(nn.Module, Generic[M]):
    """Holds a model whose weights come from elsewhere.

    Its parameters take no gradient (what flows through the model does), it stays in evaluation mode, and it is
    no part of a state dict: neither missing when one is loaded, nor written.

    Args:
        model: Loaded already.
    """

    model: M

    def __init__(self, model: M) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.register_state_dict_post_hook(_drop)
        self.register_load_state_dict_pre_hook(_supply)

    def train(self, mode: bool = True) -> Frozen[M]:
        """Set the mode of this shell alone."""
        self.training = mode
        return self


def _drop(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, metadata: Any) -> None:
    del module, metadata
    for key in [key for key in state_dict if key.startswith(prefix)]:
        del state_dict[key]


def _supply(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Give a strict load the tensors that no file holds: the module's own."""
    assert isinstance(module, Frozen)
    state_dict |= {f"{prefix}model.{key}": value for key, value in module.model.state_dict().items()}
