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
    published_layers: list[str] = []
    for key in state_dict:
        published_layer = key.removesuffix(".weight")
        if key.endswith(".weight") and not _is_copy(published_layer, published_layers, state_dict):
            published_layers.append(published_layer)
    if len(published_layers) != len(LAYERS):
        raise WeightsError(f"the file must have {len(LAYERS)} weight layers, got {len(published_layers)}")

    converted = {"network.mean": torch.as_tensor(state_dict.get("mean", own["network.mean"]))}
    for published_layer, layer in zip(published_layers, LAYERS, strict=True):
        for parameter in ("weight", "bias"):
            converted[f"network.{layer}.{parameter}"] = state_dict[f"{published_layer}.{parameter}"]
    return reshape_like(converted, own)


def _is_copy(layer: str, earlier_layers: list[str], state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether an earlier layer has an equal weight."""
    weight = state_dict[f"{layer}.weight"]
    return any(torch.equal(weight, state_dict[f"{earlier}.weight"]) for earlier in earlier_layers)
