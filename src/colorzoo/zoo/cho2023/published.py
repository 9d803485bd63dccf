"""Map parameter names of the authors' checkpoint (280 keys) to this implementation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_NETWORKS = {
    "generator.segmentator": "network.segmenter",
    "generator.colorizer": "network.colorizer",
}
_LAYERS: tuple[tuple[str, str], ...] = (
    (r"inc\.double_conv", "start"),
    (r"down([1-4])\.maxpool_conv\.1\.double_conv", "down"),
    (r"up([1-4])\.conv\.double_conv", "up"),
    (r"outc\.conv", "head"),
)


def rename_published_key(key: str) -> str:
    """Return the parameter name for a key of the authors' checkpoint; unknown keys are kept."""
    if key.startswith("discriminator.model."):
        return key.replace("discriminator.model.", "discriminator.layers.", 1)
    for theirs, ours in _NETWORKS.items():
        if key.startswith(f"{theirs}."):
            return f"{ours}.{_rename_layer(key.removeprefix(f'{theirs}.'))}"
    return key


def _rename_layer(key: str) -> str:
    for pattern, name in _LAYERS:
        found = re.match(rf"{pattern}(?=\.)", key)
        if found:
            level = f".{int(found[1]) - 1}" if found.groups() else ""
            return f"{name}{level}{key[found.end() :]}"
    return key


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename every key and drop the constants of the authors' loss (``gan_loss.*``)."""
    return {
        rename_published_key(key): value
        for key, value in state_dict.items()
        if not key.startswith("gan_loss.")
    }
