"""Patterns that rename the parameters of the authors' checkpoints for `AnchorNetwork`."""

from __future__ import annotations

import re

from colorzoo.networks.renaming import Pattern

_BRANCHES = {"wild": "palette_branch", "hint": "reference_branch"}
NAMES: tuple[Pattern, ...] = (
    (r"(segnet\.)?net\.", "superpixels.layers."),
    (r"repnet\.", "features."),
    (r"(wild|hint)path\.layers\.(\d)\.self_attn\.", lambda m: f"{_layer(m)}.attention.attention."),
    (r"(wild|hint)path\.layers\.(\d)\.norm1\.", lambda m: f"{_layer(m)}.attention.norm."),
    (r"(wild|hint)path\.layers\.(\d)\.linear", lambda m: f"{_layer(m)}.feed.linear"),
    (r"(wild|hint)path\.layers\.(\d)\.norm2\.", lambda m: f"{_layer(m)}.feed.norm."),
    (r"mid_word_prj\.", "palette."),
    (r"trg_word_emb\.", "join."),
    (r"trg_word_prj\.", "reference."),
    (r"enhanceNet\.inConv\.inConv\.0\.", "refinement.enter.0."),
    (r"enhanceNet\.inConv\.conv\.0\.", "refinement.enter.2."),
    (r"enhanceNet\.inConv\.conv\.2\.", "refinement.enter.4."),
    (r"enhanceNet\.(down\d)\.conv\.", r"refinement.\1."),
    (r"enhanceNet\.outConv\.", "refinement.leave."),
    (r"enhanceNet\.", "refinement."),
)


def _layer(found: re.Match[str]) -> str:
    """Return the name of a transformer layer."""
    return f"{_BRANCHES[found[1]]}.layers.{found[2]}"
