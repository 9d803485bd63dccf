"""Conversion of the authors' checkpoints (siggraph17: 107 keys; Global Hints: 135) and Caffe files.

Caffe subtracts 50 from L and scales nothing else, so the weights for L, ab and the mask (0 or 110 in Caffe)
are multiplied by 100, 110 and 110. Caffe's BatchNorm has no affine parameters; its mean and variance are sums
that must be divided by a third value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.hint_unet import GRID_BINS, HINT_UNET_NAMES
from colorzoo.networks.renaming import Pattern
from colorzoo.weights.readers.caffe import CaffeLayers

OUTPUT_SCALE = 100.0
"""Default factor of tanh in the published Caffe graph if the file stores none."""

_LIGHTNESS_UNIT, _AB_UNIT = 100.0, 110.0
_LIGHTNESS, _HINTS = "bw_conv1_1", "ab_conv1_1"
_BRANCH = ("s_conv1", "glob_conv1", "glob_conv2", "glob_conv3", "glob_conv4")
_BRANCH_NORMS = ("s_glob_conv1norm", "glob_conv2norm", "glob_conv3norm", "glob_conv4norm")
_SHORTCUTS = {"conv3_3_short": "model3short8.0", "conv2_2_short": "model2short9.0"}
_SHORTCUTS |= {"conv1_2_short": "model1short10.0", "conv10_ab": "model_out.0"}
NAMES: tuple[Pattern, ...] = tuple(
    (theirs, rf"unet.{ours}") for theirs, ours in HINT_UNET_NAMES if isinstance(ours, str)
)
GLOBAL_NAMES: tuple[Pattern, ...] = (
    (r"s_conv1\.", "branch.saturation."),
    (r"glob_conv1\.", "branch.histogram."),
    (r"s_glob_conv1norm\.", "branch.norm."),
    (r"glob_conv2\.", "branch.deeper.0."),
    (r"glob_conv2norm\.", "branch.deeper.2."),
    (r"glob_conv3\.", "branch.deeper.3."),
    (r"glob_conv3norm\.", "branch.deeper.5."),
    (r"glob_conv4\.", "branch.deeper.6."),
    (r"glob_conv4norm\.", "branch.last_norm."),
    *NAMES,
)


def convert_local(layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Convert the Local Hints network (``model.caffemodel``).

    The Caffe network has no classification head; its weights are set to zero (a uniform distribution).

    Args:
        layers: See `read_caffe`.

    Returns:
        The 107 tensors of the authors' PyTorch checkpoint, and the constructor arguments of the model.

    Raises:
        WeightsError: A required layer is missing.
    """
    _require("Local Hints", layers, (_LIGHTNESS, _HINTS, "conv8_3"))
    tensors = convert_trunk(layers) | _input(layers)
    tensors["model_class.0.weight"] = torch.zeros(GRID_BINS, len(tensors["model8.3.bias"]), 1, 1)
    tensors["model_class.0.bias"] = torch.zeros(GRID_BINS)
    return tensors, {"mask_center": 0.0, "ab_scale": ab_scale_of(layers)}


def convert_global(layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Convert the Global Hints network (``global_model.caffemodel``).

    Args:
        layers: See `read_caffe`.

    Returns:
        The 135 tensors of trunk and branch, and the constructor arguments of the model.

    Raises:
        WeightsError: A required layer is missing.
    """
    _require("Global Hints", layers, (_LIGHTNESS, *_BRANCH, *_BRANCH_NORMS))
    tensors = convert_trunk(layers) | convolution("model1.0", layers[_LIGHTNESS], _LIGHTNESS_UNIT)
    for name in _BRANCH:
        tensors |= convolution(name, layers[name])
    for name in _BRANCH_NORMS:
        tensors |= normalization(name, layers[name])
    return tensors, {"ab_scale": ab_scale_of(layers)}


def convert_trunk(layers: CaffeLayers) -> dict[str, Tensor]:
    """Convert the layers that both networks of the paper share: all after the first convolution."""
    tensors: dict[str, Tensor] = {}
    for name, blobs in layers.items():
        if (ours := trunk_name(name)) is None:
            continue
        tensors |= normalization(ours, blobs) if name.endswith("norm") else convolution(ours, blobs)
    return tensors


def trunk_name(layer: str) -> str | None:
    """Return the authors' PyTorch name of a Caffe layer, or None for layers outside the trunk."""
    if layer in _SHORTCUTS:
        return _SHORTCUTS[layer]
    match = re.fullmatch(r"conv(\d+)_([1-3])(norm)?", layer)
    if match is None:
        return None
    block, index, norm = int(match[1]), int(match[2]), bool(match[3])
    if block < 8:  # convolutions and ReLUs alternate, starting at 0
        return f"model{block}.{2 * index if norm else 2 * index - 2}"
    if index == 1:
        return f"model{block}up.0"
    return f"model{block}.{2 * index - 1 if norm else 2 * index - 3}"  # the block starts with a ReLU


def convolution(name: str, blobs: Sequence[NDArray[np.float32]], scale: float = 1.0) -> dict[str, Tensor]:
    """Return the scaled weight and the bias of a convolution or transposed convolution."""
    if len(blobs) != 2:
        raise WeightsError(f"layer of {name} has {len(blobs)} blobs; expected weight and bias")
    weight, bias = blobs
    return {f"{name}.weight": _tensor(weight) * scale, f"{name}.bias": _tensor(bias).flatten()}


def normalization(name: str, blobs: Sequence[NDArray[np.float32]]) -> dict[str, Tensor]:
    """Return a BatchNorm with identity affine parameters."""
    if len(blobs) != 3:
        raise WeightsError(
            f"layer of {name} has {len(blobs)} blobs; expected mean, variance and their factor"
        )
    mean, variance, factor = (_tensor(blob).flatten() for blob in blobs)
    scale = 1 / float(factor[0]) if float(factor[0]) else 0.0
    return {
        f"{name}.weight": torch.ones_like(mean),
        f"{name}.bias": torch.zeros_like(mean),
        f"{name}.running_mean": mean * scale,
        f"{name}.running_var": variance * scale,
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


def ab_scale_of(layers: CaffeLayers) -> float:
    """Return the factor of tanh from the layer that scales (a, b), or Caffe's default."""
    single = [blobs[0] for blobs in layers.values() if len(blobs) == 1]
    factors = {float(factor) for blob in single if blob.size <= 2 for factor in blob.flat}
    if len(factors) > 1:
        raise WeightsError(f"the output scale must be unique, got {sorted(factors)}")
    return factors.pop() if factors else OUTPUT_SCALE


def _input(layers: CaffeLayers) -> dict[str, Tensor]:
    """Join the convolutions of L and of ab with mask to one convolution with four input channels."""
    lightness = convolution("model1.0", layers[_LIGHTNESS], _LIGHTNESS_UNIT)
    hints = convolution("model1.0", layers[_HINTS], _AB_UNIT)
    weight = torch.cat([lightness["model1.0.weight"], hints["model1.0.weight"]], dim=1)
    return {"model1.0.weight": weight, "model1.0.bias": lightness["model1.0.bias"] + hints["model1.0.bias"]}


def _require(network: str, layers: CaffeLayers, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in layers]:
        raise WeightsError(f"not a {network} network: {len(missing)} layer(s) missing ({', '.join(missing)})")


def _tensor(blob: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(blob))
