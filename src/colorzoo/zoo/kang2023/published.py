"""Map parameter names of the authors' files to this implementation.

The files are state dicts of the generator. Unused tensors are dropped: the encoder's last normalization,
whose output the authors discard, the normalization constants, and a classifier head in files from before
August 2023.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import Pattern
from colorzoo.zoo.kang2023.network import CHANNELS, Size

UNUSED = frozenset({"mean", "std"}) | frozenset(
    f"encoder.arch.{layer}.{part}" for layer in ("norm", "head_cls") for part in ("weight", "bias")
)
_STEM = "encoder.arch.downsample_layers.0.0.weight"
_CARDS: dict[Size, str] = {"tiny": "kang2023_tiny", "large": "kang2023"}
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


def require_variant(state_dict: Mapping[str, Tensor], size: Size) -> None:
    """Reject an authors' file of the other size.

    Raises:
        WeightsError: The encoder has another size; the message names the matching model.
    """
    if _STEM not in state_dict:
        return  # strict loading reports the missing key
    for other, channels in CHANNELS.items():
        if other != size and len(state_dict[_STEM]) == channels[0]:
            raise WeightsError(
                f"the checkpoint must be DDColor-{size}, got DDColor-{other}. "
                f"Select the model {_CARDS[other]}."
            )
