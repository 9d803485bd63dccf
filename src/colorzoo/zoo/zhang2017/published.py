"""Conversion of the authors' PyTorch checkpoints and Caffe files.

The Caffe networks subtract 50 from L and do not scale inputs, so the weights of L, ab and the mask (0 or 110
in Caffe) are multiplied by 100, 110 and 110. Caffe's BatchNorm has no affine parameters and stores mean and
variance as sums, which must be divided by a third value.
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
from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.weights.readers.caffe import CaffeLayers

OUTPUT_SCALE = 100.0
"""Default factor of the output tanh."""

_LIGHTNESS_UNIT, _AB_UNIT = 100.0, AB_SCALE
_LIGHTNESS, _HINTS = "bw_conv1_1", "ab_conv1_1"
_BRANCH = ("s_conv1", "glob_conv1", "glob_conv2", "glob_conv3", "glob_conv4")
_BRANCH_NORMS = ("s_glob_conv1norm", "glob_conv2norm", "glob_conv3norm", "glob_conv4norm")
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


def _numbered(found: re.Match[str]) -> str:
    """Return the name of a convolution or normalization in a block of alternating convolutions and ReLUs."""
    block, convolution, is_norm = int(found[1]), int(found[2]), found[3] is not None
    layer = 2 * (convolution - 1)
    if block >= 8:  # convolution 1 is the upsampling layer, and the block starts with a ReLU
        layer -= 1
    if is_norm:  # follows the ReLU after the convolution
        layer += 2
    return f"model{block}.{layer}."


_TRUNK: tuple[Pattern, ...] = (
    (r"conv(8|9|10)_1\.", r"model\1up.0."),
    (r"conv([123])_[23]_short\.", lambda m: f"model{m[1]}short{11 - int(m[1])}.0."),
    (r"conv10_ab\.", "model_out.0."),
    (r"conv(\d+)_([1-3])(norm)?\.", _numbered),
)


def convert_local(layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Convert the Caffe file of the Local Hints network (``model.caffemodel``).

    The Caffe network adds the outputs of separate first layers for L and for the hints. A single layer for
    the concatenated input replaces these layers. The Caffe network has no classification head, so the head's
    weights are set to 0 (uniform distribution).

    Args:
        layers: Output of `read_caffe`.

    Returns:
        Tensors with the names of the authors' PyTorch checkpoint, and constructor arguments of the model.

    Raises:
        WeightsError: A required layer is missing.
    """
    named = _named(layers, "Local Hints", (_LIGHTNESS, _HINTS, "conv8_3"))
    tensors = {key: value for key, value in named.items() if key.startswith("model")}
    lightness_weight = _LIGHTNESS_UNIT * named[f"{_LIGHTNESS}.weight"]
    hint_weight = _AB_UNIT * named[f"{_HINTS}.weight"]
    tensors["model1.0.weight"] = torch.cat([lightness_weight, hint_weight], dim=1)
    tensors["model1.0.bias"] = named[f"{_LIGHTNESS}.bias"] + named[f"{_HINTS}.bias"]
    head_channels = tensors["model8.3.bias"].numel()
    tensors["model_class.0.weight"] = torch.zeros(GRID_BINS, head_channels, 1, 1)
    tensors["model_class.0.bias"] = torch.zeros(GRID_BINS)
    return tensors, {"mask_center": 0.0, "ab_scale": ab_scale_of(layers)}


def convert_global(layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Convert the Caffe file of the Global Hints network (``global_model.caffemodel``).

    Args:
        layers: Output of `read_caffe`.

    Returns:
        Tensors of the U-Net and the statistics branch, and constructor arguments of the model.

    Raises:
        WeightsError: A required layer is missing.
    """
    named = _named(layers, "Global Hints", (_LIGHTNESS, *_BRANCH))
    kept = ("model", *(f"{name}." for name in (*_BRANCH, *_BRANCH_NORMS)))
    tensors = {key: value for key, value in named.items() if key.startswith(kept)}
    tensors["model1.0.weight"] = _LIGHTNESS_UNIT * named[f"{_LIGHTNESS}.weight"]
    tensors["model1.0.bias"] = named[f"{_LIGHTNESS}.bias"]
    return tensors, {"ab_scale": ab_scale_of(layers)}


def _named(layers: CaffeLayers, network: str, required: Sequence[str]) -> dict[str, Tensor]:
    """Return all tensors, with trunk names from the authors' PyTorch checkpoint."""
    if missing := [name for name in required if name not in layers]:
        raise WeightsError(
            f"the Caffe file must contain a {network} network, but these layers are missing: "
            f"{', '.join(missing)}"
        )
    blobs = {f"{name}.{i}": _tensor(blob) for name, parts in layers.items() for i, blob in enumerate(parts)}
    named = rename_keys(name_caffe_blobs(blobs, "norm"), _TRUNK)
    for key, mean in list(named.items()):
        if key.endswith(".running_mean"):
            norm = key.removesuffix("running_mean")
            named |= {f"{norm}weight": torch.ones_like(mean), f"{norm}bias": torch.zeros_like(mean)}
            named[f"{norm}num_batches_tracked"] = torch.tensor(0)
    return named


def ab_scale_of(layers: CaffeLayers) -> float:
    """Return the factor that converts the output of the Caffe network to CIE units.

    If the file does not contain exactly one such factor, the result is 100.

    Args:
        layers: Output of `read_caffe`.
    """
    factors: set[float] = set()
    for blobs in layers.values():
        if len(blobs) == 1 and blobs[0].size <= 2:  # a scale layer for a and b
            factors.update(blobs[0].flatten().tolist())
    return factors.pop() if len(factors) == 1 else OUTPUT_SCALE


def _tensor(blob: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(blob))
