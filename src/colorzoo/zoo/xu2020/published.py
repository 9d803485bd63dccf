"""Names of the authors' state dicts (encoder 20 keys, decoder 18, colorization net 107) and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_COLOR_RULES: tuple[tuple[str, str], ...] = (
    (r"model(\d+)up\.0", r"up\1"),
    (r"model(\d)short(?:8|9|10)\.0", r"skip\1"),
    (r"model(\d+)\.(\d+)", r"block\1.\2"),
    (r"model_class\.0", "class_head"),
    (r"model_out\.0", "ab_head.0"),
)
_ONLY_ENCODER = "conv0.weight"
_ONLY_DECODER = "conv1_2_2.weight"


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of one of the three networks; unknown keys stay, so that a strict load names them."""
    if _ONLY_ENCODER in state_dict:
        return {_transfer_key("encoder", key): value for key, value in state_dict.items()}
    if _ONLY_DECODER in state_dict:
        return {_transfer_key("decoder", key): value for key, value in state_dict.items()}
    return {_color_key(key): value for key, value in state_dict.items()}


def _transfer_key(part: str, key: str) -> str:
    layer, _, parameter = key.rpartition(".")
    inner = "" if layer == "conv0" else ".conv"  # all others pad by reflection around the convolution
    return f"network.transfer.{part}.{layer}{inner}.{parameter}"


def _color_key(key: str) -> str:
    for pattern, ours in _COLOR_RULES:
        renamed, hits = re.subn(rf"^{pattern}(?=\.)", ours, key)
        if hits:
            return f"network.color.unet.{renamed}"
    return key
