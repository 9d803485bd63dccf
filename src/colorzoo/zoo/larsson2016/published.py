"""Conversion of the authors' Caffe file ``autocolorize.caffemodel.h5``.

``data/LAYER/0`` is the weight of a layer and ``data/LAYER/1`` its bias. Some layers have different names in
the training network. The bilinear deconvolution kernels (``..._full_reshaped``) are computed instead of
loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_HEAD = {"h_fc1": "hidden", "colorize_fc1": "hidden"}
_HEAD |= {"prediction_h": "hue", "prediction_h4": "hue", "prediction_c": "chroma", "prediction_c4": "chroma"}
_TRUNK = re.compile(r"conv\d_\d|fc[67]")
_KERNELS = re.compile(r"data/\w+_full_reshaped/0")


def convert_published(state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' tensors; unknown names stay, so a strict load reports them.

    Args:
        state_dict: Tensors by their path in the file.
        own: State dict of the model, for its shapes: the training network stores 1 x 1 convolutions as
            matrices.
    """
    ours = {}
    for path, value in state_dict.items():
        if _KERNELS.fullmatch(path):
            continue
        key = _rename(path)
        fits = key in own and value.numel() == own[key].numel()
        ours[key] = value.reshape(own[key].shape) if fits else value
    return ours


def _rename(path: str) -> str:
    match = re.fullmatch(r"data/(\w+)/([01])", path)
    if match is None:
        return path
    layer, part = match[1], ("weight", "bias")[int(match[2])]
    if _TRUNK.fullmatch(layer):
        return f"network.trunk.{layer}.conv.{part}"
    return f"network.{_HEAD[layer]}.{part}" if layer in _HEAD else path
