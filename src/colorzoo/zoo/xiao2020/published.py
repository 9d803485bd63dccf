"""Conversion of the authors' two Caffe files: first level and later levels."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys, split_by_prefix

FILES = {"DEPN_init.caffemodel": "init", "DEPN_sub.caffemodel": "sub"}
"""Map from the authors' file names to key prefixes."""

_LOGIT_SCALE = "conv8_313_rh.weight"  # half of the factor of the logits; 0.5 if the file does not contain it
_CONSTANTS = re.compile(r"(class8_ab|data_l_meansub|conv8_313_rh)\.")
_NETWORKS = {"init.": "first", "sub.": "later"}
_BRANCHES = {"refer": "reference", "small": "coarse"}
_INDEX = {5: (0, 3, 5, 7), 6: (0, 3, 5, 7), 7: (0, 3, 5, 7)}  # of the convolutions; (0, 2, 4) in other blocks
_NORMS = {1: 4, 2: 4, 3: 6, 4: 6, 5: 7, 6: 7, 7: 7}  # layer index of the normalization of each block

NAMES: tuple[Pattern, ...] = (
    (r"(refer|small)_conv(\d)norm\.", lambda m: f"{_BRANCHES[m[1]]}.norms.{int(m[2]) - 1}."),
    (r"(refer|small)_conv(\d)\.", lambda m: f"{_BRANCHES[m[1]]}.convolutions.{int(m[2]) - 1}."),
    (r"RDB(\d)_conv4\.", lambda m: f"block{int(m[1]) + 1}.2.join."),
    (r"RDB(\d)_conv(\d)\.", lambda m: f"block{int(m[1]) + 1}.2.convolutions.{int(m[2]) - 1}."),
    (r"(?:bw_)?conv(\d)_\dnorm\.", lambda m: f"block{m[1]}.{_NORMS[int(m[1])]}."),
    (r"(?:bw_)?conv(\d)_(\d)\.", lambda m: f"block{m[1]}.{_layer_index(int(m[1]), int(m[2]))}."),
    (r"conv8_313\.", "class_head."),
)
"""Patterns that rename the parameters of one Caffe file to keys of `LevelNetwork`; see `rename_keys`."""


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the authors' two Caffe files to the names of this model.

    Args:
        state_dict: Tensors with the prefix ``init.`` (first level) or ``sub.`` (later levels), followed by
            Caffe names such as ``conv1_2.weight`` or ``conv1_2.0``. Other names are unchanged.
    """
    parts = split_by_prefix(state_dict, list(_NETWORKS))
    ours: dict[str, Tensor] = {}
    for prefix, network in _NETWORKS.items():
        published = name_caffe_blobs(parts[prefix], "norm")
        logit_factor = 2 * float(published.get(_LOGIT_SCALE, 0.5))
        parameters = {key: value for key, value in published.items() if not _CONSTANTS.match(key)}
        for key, value in rename_keys(parameters, NAMES).items():
            scaled = logit_factor * value if key.startswith("class_head.") else value
            ours[f"network.{network}.{key}"] = scaled
    return ours | parts[""]


def _layer_index(block: int, convolution: int) -> int:
    """Return the index of a convolution (1 is the first) in the layers of a block."""
    return _INDEX.get(block, (0, 2, 4))[convolution - 1]
