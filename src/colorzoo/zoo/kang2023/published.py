"""Patterns that rename the parameters of the authors' generator files.

Unused tensors are dropped: the encoder's last normalization, the constants of the input normalization and the
classifier head, which only files from before August 2023 contain.
"""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

UNUSED = r"^(mean$|std$|encoder\.arch\.(norm|head_cls)\.)"

_STAGES = "encoder.stages"
_CROSS = r"decoder\.color_decoder\.transformer_cross_attention_layers\."
_SELF = r"decoder\.color_decoder\.transformer_self_attention_layers\."
NAMES: tuple[Pattern, ...] = (
    (r"encoder\.arch\.downsample_layers\.0\.(\d)\.", rf"{_STAGES}.stem_\1."),
    (r"encoder\.arch\.downsample_layers\.(\d)\.(\d)\.", rf"{_STAGES}.stages_\1.downsample.\2."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.dwconv\.", rf"{_STAGES}.stages_\1.blocks.\2.conv_dw."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.pwconv(\d)\.", rf"{_STAGES}.stages_\1.blocks.\2.mlp.fc\3."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.", rf"{_STAGES}.stages_\1.blocks.\2."),
    (r"encoder\.arch\.norm(\d)\.", r"encoder.norms.\1."),
    (r"decoder\.layers\.(\d)\.", r"pixel_decoder.blocks.\1."),
    (r"decoder\.last_shuf\.", "pixel_decoder.last."),
    (rf"{_CROSS}(\d+)\.multihead_attn\.", r"color_decoder.layers.\1.cross.attention."),
    (rf"{_CROSS}(\d+)\.", r"color_decoder.layers.\1.cross."),
    (rf"{_SELF}(\d+)\.self_attn\.", r"color_decoder.layers.\1.among.attention."),
    (rf"{_SELF}(\d+)\.", r"color_decoder.layers.\1.among."),
    (r"decoder\.color_decoder\.transformer_ffn_layers\.(\d+)\.", r"color_decoder.layers.\1.feed."),
    (r"decoder\.color_decoder\.color_embed\.layers\.", "color_decoder.color_embed."),
    (r"decoder\.color_decoder\.", "color_decoder."),
    (r"refine_net\.0\.0\.", "refine."),
)
