"""Conversion of the authors' checkpoints (186 keys, 12 of which are index tables)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.zoo.yun2023.network import IColoriTNetwork

_RULES = (
    (r"head\.head\.", "head.conv."),
    (r"(blocks\.\d+\.attn)\.rpb_table", r"trunk.\1.rel_pos.relative_position_bias_table"),
    (r"(blocks\.\d+\.attn)\.([qv]_bias)", r"trunk.\1.qkv.\2"),
    (r"(patch_embed|blocks|norm)\.", r"trunk.\1."),
)
_VARIANTS = {768: "yun2023", 384: "yun2023_s", 192: "yun2023_tiny"}  # by width
_INDEX = ".attn.relative_position_index"


def rename_published_key(key: str) -> str:
    """Return the new name of a published key."""
    for theirs, ours in _RULES:
        renamed, hits = re.subn(f"^{theirs}", ours, key)
        if hits:
            return f"network.{renamed}"
    return f"network.{key}"


def convert_published(state_dict: Mapping[str, Tensor], network: IColoriTNetwork) -> dict[str, Tensor]:
    """Rename every key; unknown keys stay, so a strict load reports them.

    Args:
        state_dict: The entry ``model`` of the authors' files.
        network: The network.

    Raises:
        WeightsError: The file contains another variant, or its table of relative positions differs.
    """
    _require_variant(state_dict, network)
    _require_index(state_dict, network)
    return {rename_published_key(key): v for key, v in state_dict.items() if not key.endswith(_INDEX)}


def _require_variant(state_dict: Mapping[str, Tensor], network: IColoriTNetwork) -> None:
    """Raise an error for another width or patch size, and name the model of the weights."""
    found = state_dict.get("patch_embed.proj.weight")
    own = network.trunk.patch_embed.proj.weight
    if found is None or found.ndim != own.ndim or found.shape == own.shape:
        return  # the strict load reports missing keys
    width, patch = found.shape[0], found.shape[-1]
    name = _VARIANTS.get(width) if patch == 16 else None
    belongs = f"Use --model {name}" if name else "No registered model has this shape"
    raise WeightsError(
        f"the iColoriT weights must have width {own.shape[0]} and patch {own.shape[-1]}, got width "
        f"{width} and patch {patch}. {belongs}."
    )


def _require_index(state_dict: Mapping[str, Tensor], network: IColoriTNetwork) -> None:
    """Compare the authors' table of relative positions with the computed table."""
    for key, value in state_dict.items():
        if not key.endswith(_INDEX):
            continue
        ours = network.trunk.blocks[0].attn.rel_pos.relative_position_index
        if not torch.equal(value.flatten().to(ours), ours):
            raise WeightsError(f"{key} does not match images of {network.side} pixels.")
