"""Layers of the authors' Torch7 files (``colornet.t7``, ``colornet_imagenet.t7``) and ours.

The files hold the layers in the order of the forward pass, without names, and the mean gray level.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError

LAYERS = (
    *(f"low.conv{index}" for index in range(1, 7)),
    *("mid.conv1", "mid.conv2"),
    *(f"scene.conv{index}" for index in range(1, 5)),
    *("scene.fc1", "scene.fc2", "style.fc3"),
    *(f"color.conv{index}" for index in range(1, 7)),
)


def convert_published(state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the layers of an authors' file.

    The low-level layers serve both inputs; a second copy is left out. Weights of convolutions may be stored
    as matrices.

    Args:
        state_dict: What the reader of Torch7 files gives.
        own: The state dict of the model, for the shapes.

    Raises:
        WeightsError: It is another network.
    """
    layers = [key.removesuffix(".weight") for key in state_dict if key.endswith(".weight")]
    layers = [key for index, key in enumerate(layers) if not _is_copy(key, layers[:index], state_dict)]
    if len(layers) != len(LAYERS):
        raise WeightsError(
            f"no network of Iizuka et al. 2016: {len(layers)} layers with weights, expected {len(LAYERS)} "
            "(colornet.t7 or colornet_imagenet.t7)."
        )
    ours = {"network.mean": torch.as_tensor(state_dict.get("mean", own["network.mean"]))}
    for theirs, name in zip(layers, LAYERS, strict=True):
        for part in ("weight", "bias"):
            key, value = f"network.{name}.{part}", state_dict.get(f"{theirs}.{part}")
            if value is None:
                raise WeightsError(f"layer {theirs} ({name}) has no {part}; fetch the file again.")
            fits = key in own and value.numel() == own[key].numel()
            ours[key] = value.reshape(own[key].shape) if fits else value
    return ours


def _is_copy(key: str, earlier: list[str], state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether an earlier layer has the same weight."""
    weight = state_dict[f"{key}.weight"]
    return any(torch.equal(weight, state_dict[f"{each}.weight"]) for each in earlier)
