"""Parameter names of the authors' checkpoints (186 keys, 12 of which are index tables)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import Pattern
from colorzoo.zoo.yun2023.network import IColoriTNetwork

NAMES: tuple[Pattern, ...] = (
    (r"head\.head\.", "head.conv."),
    (r"(blocks\.\d+\.attn)\.rpb_table", r"trunk.\1.rel_pos.relative_position_bias_table"),
    (r"(blocks\.\d+\.attn)\.([qv]_bias)", r"trunk.\1.qkv.\2"),
    (r"(patch_embed|blocks|norm)\.", r"trunk.\1."),
)
_VARIANTS = {768: "yun2023", 384: "yun2023_s", 192: "yun2023_tiny"}  # by width
INDEX = ".attn.relative_position_index"


def check_weights(state_dict: Mapping[str, Tensor], network: IColoriTNetwork) -> None:
    """Compare variant and table of relative positions of the authors' file with a network.

    Raises:
        WeightsError: The width, the patch size or the table differs.
    """
    found = state_dict.get("patch_embed.proj.weight")
    own = network.trunk.patch_embed.proj.weight
    if found is not None and found.ndim == own.ndim and found.shape != own.shape:
        width, patch = found.shape[0], found.shape[-1]
        name = _VARIANTS.get(width) if patch == 16 else None
        belongs = f"Use --model {name}" if name else "No registered model has this shape"
        raise WeightsError(
            f"the iColoriT weights must have width {own.shape[0]} and patch {own.shape[-1]}, got width "
            f"{width} and patch {patch}. {belongs}."
        )
    ours = network.trunk.blocks[0].attn.rel_pos.relative_position_index
    for key, value in state_dict.items():
        if key.endswith(INDEX) and not torch.equal(value.flatten().to(ours), ours):
            raise WeightsError(f"{key} does not match images of {network.side} pixels.")
