"""Conversion of the authors' Torch7 files ``colornet.t7`` and ``colornet_imagenet.t7``.

Each file contains the mean gray level of the training images and the layers without names, in forward order.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import reshape_like

LAYERS = (
    *(f"low.conv{index}" for index in range(1, 7)),
    *("mid.conv1", "mid.conv2"),
    *(f"scene.conv{index}" for index in range(1, 5)),
    *("scene.fc1", "scene.fc2", "style.fc3"),
    *(f"color.conv{index}" for index in range(1, 7)),
)


def convert_published(state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict that names the unnamed layers of an authors' file.

    A second copy of the shared low-level layers is dropped. Convolution weights that are stored as matrices
    are reshaped.

    Args:
        state_dict: Tensors of the authors' file, as returned by the Torch7 reader.
        own: State dict of the model, which defines the shapes.

    Raises:
        WeightsError: The file contains a different network.
    """
    layers = [key.removesuffix(".weight") for key in state_dict if key.endswith(".weight")]
    layers = [key for index, key in enumerate(layers) if not _is_copy(key, layers[:index], state_dict)]
    if len(layers) != len(LAYERS):
        raise WeightsError(f"the file must have {len(LAYERS)} weight layers, got {len(layers)}")
    ours = {"network.mean": torch.as_tensor(state_dict.get("mean", own["network.mean"]))}
    for theirs, name in zip(layers, LAYERS, strict=True):
        ours |= {f"network.{name}.{part}": state_dict[f"{theirs}.{part}"] for part in ("weight", "bias")}
    return reshape_like(ours, own)


def _is_copy(key: str, earlier: list[str], state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether an earlier layer has an equal weight."""
    weight = state_dict[f"{key}.weight"]
    return any(torch.equal(weight, state_dict[f"{each}.weight"]) for each in earlier)
