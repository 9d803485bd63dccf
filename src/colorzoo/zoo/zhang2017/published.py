"""Names of the authors' checkpoints (siggraph17: 107 keys; Global Hints: 135 keys) and ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.hint_names import rename_hint_unet_key


def rename_published_key(key: str) -> str:
    """Return our name, below ``network.unet``, of one of the authors' keys."""
    renamed = rename_hint_unet_key(key)
    return key if renamed is None else f"network.unet.{renamed}"


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename every key of the authors' state dict; unknown keys stay, so that a strict load names them."""
    return {rename_published_key(key): value for key, value in state_dict.items()}


_GLOBAL_RULES: tuple[tuple[str, str], ...] = (
    (r"s_conv1", "saturation"),
    (r"glob_conv1", "histogram"),
    (r"s_glob_conv1norm", "norm"),
    (r"glob_conv2", "deeper.0"),
    (r"glob_conv2norm", "deeper.2"),
    (r"glob_conv3", "deeper.3"),
    (r"glob_conv3norm", "deeper.5"),
    (r"glob_conv4", "deeper.6"),
    (r"glob_conv4norm", "last_norm"),
)


def convert_published_global(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the 135 keys of the Global Hints network: a trunk as above, and the branch."""
    ours = {}
    for key, value in state_dict.items():
        layer, _, parameter = key.rpartition(".")
        branch = next((name for theirs, name in _GLOBAL_RULES if theirs == layer), None)
        ours[f"network.branch.{branch}.{parameter}" if branch else rename_published_key(key)] = value
    return ours
