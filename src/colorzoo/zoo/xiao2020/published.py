"""Conversion of the authors' two Caffe files: first level and later levels."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.renaming import name_caffe_blobs

FILES = {"DEPN_init.caffemodel": "init", "DEPN_sub.caffemodel": "sub"}
"""Map from the authors' file names to key prefixes."""

_SHARPNESS = "conv8_313_rh.weight"  # factor of the logits; 0.5 if the file does not contain it
_FIXED = re.compile(r"(class8_ab|data_l_meansub|conv8_313_rh)\.")
_LEVELS = {"init": "first", "sub": "later"}
_INDEX = {5: (0, 3, 5, 7), 6: (0, 3, 5, 7), 7: (0, 3, 5, 7), 8: (0, 2, 4)}  # convolutions of a block
_NORMS = {1: 4, 2: 4, 3: 6, 4: 6, 5: 7, 6: 7, 7: 7}  # layer indices of the normalizations


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the authors' two Caffe files to the names of this model.

    Args:
        state_dict: Tensors with the prefix ``init.`` (first level) or ``sub.`` (later levels), followed by
            Caffe names such as ``conv1_2.weight`` or ``conv1_2.0``. Other names are unchanged.
    """
    ours: dict[str, Tensor] = {}
    for prefix, level in _LEVELS.items():
        part = {k.removeprefix(f"{prefix}."): v for k, v in state_dict.items() if k.startswith(f"{prefix}.")}
        named = name_caffe_blobs(part, "norm")
        sharpness = 2 * float(named.pop(_SHARPNESS, 0.5))
        for key, value in named.items():
            if not _FIXED.match(key):
                scaled = sharpness * value if key.startswith("conv8_313.") else value
                ours[f"network.{level}.{renamed(key)}"] = scaled
    known = tuple(f"{prefix}." for prefix in _LEVELS)
    return ours | {key: value for key, value in state_dict.items() if not key.startswith(known)}


def renamed(key: str) -> str:
    """Return the parameter name in `LevelNetwork` for a tensor name in the Caffe file."""
    layer, _, part = key.rpartition(".")
    if found := re.fullmatch(r"(refer|small)_conv(\d)(norm)?", layer):
        owner = "reference" if found[1] == "refer" else "coarse"
        return f"{owner}.{'norms' if found[3] else 'convolutions'}.{int(found[2]) - 1}.{part}"
    if found := re.fullmatch(r"RDB(\d)_conv(\d)", layer):
        inner = "join" if found[2] == "4" else f"convolutions.{int(found[2]) - 1}"
        return f"block{int(found[1]) + 1}.2.{inner}.{part}"
    if found := re.fullmatch(r"(?:bw_)?conv(\d)_(\d)(norm)?", layer):
        block, number = int(found[1]), int(found[2])
        if found[3]:
            return f"block{block}.{_NORMS[block]}.{part}"
        return f"block{block}.{_INDEX.get(block, (0, 2, 4))[number - 1]}.{part}"
    return f"class_head.{part}" if layer == "conv8_313" else key
