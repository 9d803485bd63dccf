"""Map the parameter names of the author's generator to this implementation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.zoo.antic2019.network import Decoder

_ENCODER = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_PARTS = {
    "layers.1": "norm",
    "layers.3": "middle",
    "layers.4": "blocks.0",
    "layers.5": "blocks.1",
    "layers.6": "blocks.2",
    "layers.7": "blocks.3",
    "layers.8": "up",
    "layers.10.layers.0.0": "refine.first",
    "layers.10.layers.1.0": "refine.second",
    "layers.11.0": "head",
}
_WEIGHT_NORM = {"weight_g": "original0", "weight_v": "original1"}
_RECOGNIZED_BY: Mapping[str, Decoder] = {
    "layers.4.conv1.0.weight_orig": "deep",
    "layers.4.conv.0.weight_orig": "wide",
}
_NAMES: Mapping[Decoder, str] = {"deep": "antic2019 (artistic)", "wide": "antic2019_stable (stable, video)"}
_DISCRIMINATOR = "12.0.weight_orig"


def convert_published(state_dict: Mapping[str, Tensor], decoder: Decoder) -> dict[str, Tensor]:
    """Rename the keys of a generator; unknown keys are kept so that strict loading reports them.

    Args:
        state_dict: The author's tensors.
        decoder: Decoder block type of the model.

    Raises:
        WeightsError: The weights belong to the other model or to a discriminator.
    """
    found = next((kind for key, kind in _RECOGNIZED_BY.items() if key in state_dict), decoder)
    if found != decoder:
        raise WeightsError(f"weights belong to {_NAMES[found]}, not to {_NAMES[decoder]}. Select that model.")
    if _DISCRIMINATOR in state_dict:
        raise WeightsError(
            "weights must belong to a generator, got a discriminator (needed only for training)."
        )
    return {f"network.{generator_key(key)}": value for key, value in state_dict.items()}


def generator_key(key: str) -> str:
    """Return the parameter name of a generator tensor, without the prefix ``network.``."""
    if found := re.match(r"layers\.0\.(\d)\.", key):
        name = _ENCODER.get(found[1])
        return f"encoder.{name}.{key[found.end() :]}" if name else key
    for theirs, ours in _PARTS.items():
        if key.startswith(f"{theirs}."):
            rest = key.removeprefix(f"{theirs}.")
            layer, _, tensor = rest.rpartition(".")
            if ours == "up" and tensor in _WEIGHT_NORM:
                rest = f"{layer}.parametrizations.weight.{_WEIGHT_NORM[tensor]}"
            return f"{ours}.{rest}"
    return key
