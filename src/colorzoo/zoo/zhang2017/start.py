"""Start a network of the family from another one's trained layers, as the paper's stages do."""

from __future__ import annotations

from torch import nn

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model

_FIRST = "unet.block1.0.weight"  # reads lightness, and hints in the Local Hints network


def copy_shared_layers(name: str, network: nn.Module) -> None:
    """Copy what a registered model shares with ``network``; all else keeps its own start.

    Args:
        name: A Local Hints model of the same width.
        network: Has the `HintUNet` of the family as ``unet``.

    Raises:
        ColorzooError: The model is of another family or width.
    """
    source = {k.removeprefix("network."): v for k, v in create_model(name).state_dict().items()}
    target = network.state_dict()
    copied = {ours: source[theirs] for ours in target if (theirs := _named(ours)) in source}
    if _FIRST in copied:
        copied[_FIRST] = copied[_FIRST][:, : target[_FIRST].shape[1]]
    if _FIRST not in copied or any(value.shape != target[key].shape for key, value in copied.items()):
        raise ColorzooError(f"trunk={name!r} does not fit: it must be a Local Hints model as wide.")
    network.load_state_dict({**target, **copied})


def _named(key: str) -> str:
    """Return the plain network's name of a layer that channel attention wraps."""
    return key.replace(".conv.", ".")
