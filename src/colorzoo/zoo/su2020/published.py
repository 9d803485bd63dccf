"""Conversion of the authors' three checkpoints.

The authors publish one file per network. The keys of the fusion network have the prefix ``module.`` (from
multi-GPU training), which a non-strict load would ignore (issue 6 of their repository).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.hint_unet import rename_hint_unet_key

# Name of a network in the authors' code, in its file, and in colorzoo.
NETWORKS = {"netGComp": "full", "netG": "instance", "netGF": "fusion"}
_PREFIX = "module."
LAYERS = {
    "weight_layer": "1_2",
    "weight_layer2": "2_2",
    "weight_layer3": "3_3",
    "weight_layer4": "4_3",
    "weight_layer5": "5_3",
    "weight_layer6": "6_3",
    "weight_layer7": "7_3",
    "weight_layer8_1": "8_up",
    "weight_layer8_2": "8_3",
    "weight_layer9_1": "9_up",
    "weight_layer9_2": "9_3",
    "weight_layer10_1": "10_up",
    "weight_layer10_2": "10_2",
}
_UNUSED = "weight_layerout"  # in the file but unused
_SCORES = {"simple_instance_conv": "instance", "simple_bg_conv": "background"}


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of the three networks; unknown keys stay, so a strict load reports them.

    Args:
        state_dict: The three state dicts in one, below ``netGComp.``, ``netG.`` and ``netGF.``.
    """
    ours = {}
    parallel = {file: _is_parallel(state_dict, file) for file in NETWORKS}
    for key, value in state_dict.items():
        file, _, name = key.partition(".")
        plain = name.removeprefix(_PREFIX) if parallel.get(file) else name
        if (renamed := _rename(file, plain)) is not None:
            ours[renamed] = value
    return ours


def _is_parallel(state_dict: Mapping[str, Tensor], file: str) -> bool:
    """Return whether every key of a network's file has the prefix ``module.``."""
    return all(key.startswith(f"{file}.{_PREFIX}") for key in state_dict if key.startswith(f"{file}."))


def _rename(file: str, name: str) -> str | None:
    """Return the new name of a published key; None for an unused weight."""
    layer, _, rest = name.partition(".")
    if file == "netGF" and layer == _UNUSED:
        return None
    if file == "netGF" and layer in LAYERS:
        scores, _, parameter = rest.partition(".")
        return f"network.layers.{LAYERS[layer]}.{_SCORES.get(scores, scores)}.{parameter}"
    renamed = rename_hint_unet_key(name) if file in NETWORKS else None
    return f"{file}.{name}" if renamed is None else f"network.{NETWORKS[file]}.{renamed}"
