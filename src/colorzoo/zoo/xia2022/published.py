"""Conversion of the authors' checkpoints to the parameter names of `AnchorNetwork`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RENAMED = (
    (r"^(segnet\.)?net\.", "superpixels.layers."),
    (r"^repnet\.", "features."),
    (r"^wildpath\.", "palette_branch."),
    (r"^hintpath\.", "reference_branch."),
    (r"^mid_word_prj\.", "palette."),
    (r"^trg_word_emb\.", "join."),
    (r"^trg_word_prj\.", "reference."),
    (r"^enhanceNet\.inConv\.inConv\.0\.", "refinement.enter.0."),
    (r"^enhanceNet\.inConv\.conv\.0\.", "refinement.enter.2."),
    (r"^enhanceNet\.inConv\.conv\.2\.", "refinement.enter.4."),
    (r"^enhanceNet\.(down\d)\.conv\.", r"refinement.\1."),
    (r"^enhanceNet\.outConv\.", "refinement.leave."),
    (r"^enhanceNet\.", "refinement."),
    (r"\.self_attn\.", ".attention.attention."),
    (r"\.norm1\.", ".attention.norm."),
    (r"\.linear", ".feed.linear"),
    (r"\.norm2\.", ".feed.norm."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the authors' tensors with this model's parameter names; keep unknown names."""
    return {f"network.{renamed(key)}": value for key, value in state_dict.items()}


def renamed(key: str) -> str:
    """Return this model's name of a published parameter, without the prefix ``network.``."""
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    return key
