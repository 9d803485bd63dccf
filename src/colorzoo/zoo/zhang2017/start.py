"""Start a network of the family from another one's trained layers, as the paper's stages do."""

from __future__ import annotations

from torch import nn

from colorzoo.errors import ColorzooError

_FIRST = "unet.block1.0.weight"  # reads lightness, and hints in the Local Hints network


def copy_shared_layers(source: nn.Module, network: nn.Module) -> None:
    """Copy what a trained network shares with ``network``; all else keeps its own start.

    Args:
        source: A Local Hints network of the same width.
        network: Has the `HintUNet` of the family as ``unet``.

    Raises:
        ColorzooError: The source is of another family or width.
    """
    trained, target = source.state_dict(), network.state_dict()
    copied = {ours: trained[theirs] for ours in target if (theirs := _named(ours)) in trained}
    if _FIRST in copied:
        copied[_FIRST] = copied[_FIRST][:, : target[_FIRST].shape[1]]
    if _FIRST not in copied or any(value.shape != target[key].shape for key, value in copied.items()):
        raise ColorzooError(
            "start does not fit: it must be a Local Hints model of the same width as the one that is trained."
        )
    network.load_state_dict({**target, **copied})


def _named(key: str) -> str:
    """Return the plain network's name of a layer that channel attention wraps."""
    return key.replace(".conv.", ".")
