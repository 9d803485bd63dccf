"""Map parameter names of the authors' files to this implementation.

The files are state dicts of the generator. Unused tensors are dropped: the encoder's last normalization,
whose output the authors discard, the normalization constants, and a classifier head in files from before
August 2023.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.zoo.kang2023.network import CHANNELS, Size

_UNUSED = frozenset({"mean", "std"}) | frozenset(
    f"encoder.arch.{layer}.{part}" for layer in ("norm", "head_cls") for part in ("weight", "bias")
)
_STEM = "encoder.arch.downsample_layers.0.0.weight"
_CARDS: dict[Size, str] = {"tiny": "kang2023_tiny", "large": "kang2023"}
_STAGES = "network.encoder.stages"
_QUERIES = "network.color_decoder"
_NAMES: tuple[tuple[str, str], ...] = (
    (r"encoder\.arch\.downsample_layers\.0\.(\d)\.", rf"{_STAGES}.stem_\1."),
    (r"encoder\.arch\.downsample_layers\.(\d)\.(\d)\.", rf"{_STAGES}.stages_\1.downsample.\2."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.dwconv\.", rf"{_STAGES}.stages_\1.blocks.\2.conv_dw."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.pwconv(\d)\.", rf"{_STAGES}.stages_\1.blocks.\2.mlp.fc\3."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.", rf"{_STAGES}.stages_\1.blocks.\2."),
    (r"encoder\.arch\.norm(\d)\.", r"network.encoder.norms.\1."),
    (r"decoder\.layers\.(\d)\.", r"network.pixel_decoder.blocks.\1."),
    (r"decoder\.last_shuf\.", "network.pixel_decoder.last."),
    (r"decoder\.color_decoder\.transformer_cross_attention_layers\.(\d+)\.", rf"{_QUERIES}.layers.\1.cross."),
    (r"decoder\.color_decoder\.transformer_self_attention_layers\.(\d+)\.", rf"{_QUERIES}.layers.\1.among."),
    (r"decoder\.color_decoder\.transformer_ffn_layers\.(\d+)\.", rf"{_QUERIES}.layers.\1.feed."),
    (r"decoder\.color_decoder\.color_embed\.layers\.", f"{_QUERIES}.color_embed."),
    (r"decoder\.color_decoder\.", f"{_QUERIES}."),
    (r"refine_net\.0\.0\.", "network.refine."),
)


def rename_published_key(key: str) -> str:
    """Return the parameter name for a key of the authors' file; unknown keys are kept."""
    for theirs, ours in _NAMES:
        if re.match(theirs, key):
            return re.sub(
                r"\.(multihead_attn|self_attn)\.", ".attention.", re.sub(theirs, ours, key, count=1)
            )
    return key


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename every key and drop unused tensors."""
    return {rename_published_key(key): value for key, value in state_dict.items() if key not in _UNUSED}


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
