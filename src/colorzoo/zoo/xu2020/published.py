"""Conversion of the authors' state dicts and torchvision's VGG-19.

VGG-19 can replace the authors' encoder.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.hint_unet import HINT_UNET_NAMES
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.style import VGG19_LAYERS

_ONLY_VGG19 = "features.0.weight"
_ONLY_ENCODER = "conv0.weight"
_ONLY_DECODER = "conv1_2_2.weight"
_COLOR = [(theirs, rf"network.color.unet.{ours}") for theirs, ours in HINT_UNET_NAMES]


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters of a published network with the names of this model.

    The state dict contains the authors' encoder, decoder or colorization network, or torchvision's VGG-19.
    Unknown keys are unchanged. VGG-19 layers after relu4_1 are dropped. The first encoder layer
    (normalization) has no counterpart in VGG-19, so the result lacks the keys of this layer.
    """
    if _ONLY_VGG19 in state_dict:
        return _from_vgg19(state_dict)
    if _ONLY_ENCODER in state_dict:
        return {_transfer_key("encoder", key): value for key, value in state_dict.items()}
    if _ONLY_DECODER in state_dict:
        return {_transfer_key("decoder", key): value for key, value in state_dict.items()}
    return rename_keys(state_dict, _COLOR)


def _from_vgg19(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    converted = {}
    for key, value in state_dict.items():
        layer, _, parameter = key.rpartition(".")
        if layer in VGG19_LAYERS:
            converted[_transfer_key("encoder", f"{VGG19_LAYERS[layer]}.{parameter}")] = value
    return converted


def _transfer_key(part: str, key: str) -> str:
    layer, _, parameter = key.rpartition(".")
    inner = "" if layer == "conv0" else ".conv"  # all other layers wrap the convolution in reflection padding
    return f"network.transfer.{part}.{layer}{inner}.{parameter}"
