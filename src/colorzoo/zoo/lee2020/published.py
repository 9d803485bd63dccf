"""Conversion of checkpoints of the re-implementation kunkun0w0/SGA."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_DECODER = 10  # index of the decoder's first layer; SGA counts down
_RENAMING = (
    (r"scft\.", "network.transfer."),
    (r"res_model\.main\.(\d)\.main\.", r"network.refine.\1.layers."),
    (r"decoder\.last_conv\.", "network.decoder.last."),
    (r"main\.(\d)\.main\.0\.module\.weight_bar", r"discriminator.layers.\1.0.weight"),
    (r"main\.(\d)\.main\.0\.module\.(?:weight_)?", r"discriminator.layers.\1.0."),
    (r"main\.(\d)\.main\.", r"discriminator.layers.\1."),
    (r"main\.", "discriminator.layers."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a generator, of a discriminator or of both; unknown names stay."""
    return {_rename(key): value for key, value in state_dict.items()}


def _rename(key: str) -> str:
    if found := re.match(r"(encoder_\w+|decoder)\.layer(\d+)\.main\.", key):
        number = _DECODER - int(found[2]) if found[1] == "decoder" else int(found[2]) - 1
        return f"network.{found[1]}.layers.{number}.{key[found.end() :]}"
    for theirs, ours in _RENAMING:
        if re.match(theirs, key):
            return re.sub(theirs, ours, key)
    return key
