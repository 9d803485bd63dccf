"""Patterns that rename the parameters in the authors' checkpoints."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

NAMES: tuple[Pattern, ...] = (
    (r"head\.head\.", "head.conv."),
    (r"(blocks\.\d+\.attn)\.rpb_table", r"trunk.\1.rel_pos.relative_position_bias_table"),
    (r"(blocks\.\d+\.attn)\.([qv]_bias)", r"trunk.\1.qkv.\2"),
    (r"(patch_embed|blocks|norm)\.", r"trunk.\1."),
)
UNUSED = r"\.attn\.relative_position_index$"
