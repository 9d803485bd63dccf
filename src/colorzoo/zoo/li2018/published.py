"""Conversion of the authors' weights and of torchvision's VGG-19."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.style import VGG19_LAYERS
from colorzoo.zoo.li2018.network import LEVELS


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' 80 keys, ``e1.`` to ``e4.`` and ``d1.`` to ``d4.``; unknown names stay.

    From torchvision's VGG-19 only the encoders are loaded; its input normalization becomes their first layer.
    """
    if "features.0.weight" in state_dict:
        return _from_vgg19(state_dict)
    return {re.sub(r"^([ed])([1-4])\.", _prefix, key): value for key, value in state_dict.items()}


def _prefix(match: re.Match[str]) -> str:
    half = "encoders" if match[1] == "e" else "decoders"
    return f"network.{half}.{int(match[2]) - 1}."


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
