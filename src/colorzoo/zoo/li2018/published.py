"""Conversion of the authors' weights or torchvision's VGG-19 to weights of PhotoWCT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.networks.style import VGG19_LAYERS
from colorzoo.zoo.li2018.network import LEVELS

_NAMES: tuple[Pattern, ...] = (
    (r"e([1-4])\.", lambda m: f"network.encoders.{int(m[1]) - 1}."),
    (r"d([1-4])\.", lambda m: f"network.decoders.{int(m[1]) - 1}."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights or torchvision's VGG-19 to this library's names.

    The authors' keys start with ``e1.`` to ``e4.`` or ``d1.`` to ``d4.``. Unknown keys are unchanged. VGG-19
    is copied to the four encoders, whose first layers apply the input normalization of VGG-19.

    Args:
        state_dict: State dict of the authors or of torchvision's VGG-19.
    """
    if "features.0.weight" in state_dict:
        return _from_vgg19(state_dict)
    return rename_keys(state_dict, _NAMES)


def _from_vgg19(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    deviation = torch.tensor(IMAGENET_DEVIATION)
    ours = {}
    for level in LEVELS:
        prefix = f"network.encoders.{level - 1}."
        ours[f"{prefix}conv0.weight"] = torch.diag(1 / deviation)[:, :, None, None]
        ours[f"{prefix}conv0.bias"] = -torch.tensor(IMAGENET_MEAN) / deviation
        for layer, name in VGG19_LAYERS.items():
            if name <= f"conv{level}_1":
                ours |= {f"{prefix}{name}.{k}": state_dict[f"{layer}.{k}"] for k in ("weight", "bias")}
    return ours
