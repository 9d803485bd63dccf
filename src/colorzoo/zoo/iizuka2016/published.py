"""Layer names of the authors' Torch7 files (``colornet.t7``, ``colornet_imagenet.t7``).

The files store unnamed layers in forward order and the mean gray level.
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
    """Assign parameter names to the unnamed layers of an authors' file.

    A second copy of the shared low-level layers is dropped. Convolution weights may be stored as matrices.

    Args:
        state_dict: Output of the Torch7 reader.
        own: State dict of the model with the target shapes.

    Raises:
        WeightsError: The file contains a different network.
    """
    layers = [key.removesuffix(".weight") for key in state_dict if key.endswith(".weight")]
    layers = [key for index, key in enumerate(layers) if not _is_copy(key, layers[:index], state_dict)]
    if len(layers) != len(LAYERS):
        raise WeightsError(f"the file must have {len(LAYERS)} weight layers, got {len(layers)}.")
    ours = {"network.mean": torch.as_tensor(state_dict.get("mean", own["network.mean"]))}
    for theirs, name in zip(layers, LAYERS, strict=True):
        ours |= {f"network.{name}.{part}": state_dict[f"{theirs}.{part}"] for part in ("weight", "bias")}
    return reshape_like(ours, own)


def _is_copy(key: str, earlier: list[str], state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether an earlier layer has an equal weight."""
    weight = state_dict[f"{key}.weight"]
    return any(torch.equal(weight, state_dict[f"{each}.weight"]) for each in earlier)
