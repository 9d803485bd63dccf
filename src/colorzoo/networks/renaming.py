"""Conversion of published parameter names to the names of this library."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Pattern = tuple[str, str | Callable[[re.Match[str]], str]]
"""Regular expression for the start of a name, and its replacement."""

_LAYER_BLOBS = {"0": "weight", "1": "bias"}
_NORM_BLOBS = {"0": "running_mean", "1": "running_var"}


def rename_keys(state_dict: Mapping[str, Tensor], patterns: Sequence[Pattern]) -> dict[str, Tensor]:
    """Rename each key of a state dict with the first pattern that matches.

    A pattern is a regular expression for the start of a key, with its replacement. Keys without a matching
    pattern keep their names, so strict loading reports them.

    Examples:
        >>> list(rename_keys({"model.bias": torch.zeros(1), "x": torch.zeros(1)}, [("model", "layer")]))
        ['layer.bias', 'x']
    """
    renamed = {}
    for key, value in state_dict.items():
        name = key
        for pattern, replacement in patterns:
            if found := re.match(pattern, key):
                new = found.expand(replacement) if isinstance(replacement, str) else replacement(found)
                name = new + key[found.end() :]
                break
        renamed[name] = value
    return renamed


def split_by_prefix(
    state_dict: Mapping[str, Tensor], prefixes: Sequence[str]
) -> dict[str, dict[str, Tensor]]:
    """Split the state dict of several networks by key prefix.

    Examples:
        >>> parts = split_by_prefix({"vgg.bias": torch.zeros(1), "x": torch.zeros(1)}, ["vgg."])
        >>> {prefix: list(part) for prefix, part in parts.items()}
        {'vgg.': ['bias'], '': ['x']}

    Args:
        state_dict: Tensors by name.
        prefixes: Key prefixes of the networks.

    Returns:
        Dict that maps each prefix to the tensors of its network, without the prefix. The empty prefix maps to
        all other tensors.
    """
    parts: dict[str, dict[str, Tensor]] = {prefix: {} for prefix in (*prefixes, "")}
    for key, value in state_dict.items():
        prefix = next((each for each in prefixes if key.startswith(each)), "")
        parts[prefix][key.removeprefix(prefix)] = value
    return parts


def reshape_like(state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Reshape tensors of a published state dict to the shapes in a model's state dict ``own``.

    Tensors are matched by key. A tensor is reshaped only if its number of elements and its first axis match.
    Some authors store linear layers as 1 x 1 convolutions, convolutions as matrices, or tensors with
    singleton axes.

    Examples:
        >>> reshape_like({"x": torch.zeros(1, 3, 2, 1)}, {"x": torch.zeros(3, 2)})["x"].shape
        torch.Size([3, 2])
    """
    reshaped = {}
    for key, value in state_dict.items():
        target = own.get(key, value)
        # singleton axes do not count
        fits = value.numel() == target.numel() and value.squeeze().shape[:1] == target.squeeze().shape[:1]
        reshaped[key] = value.reshape(target.shape) if fits else value
    return reshaped


def name_caffe_blobs(blobs: Mapping[str, Tensor], norm: str) -> dict[str, Tensor]:
    """Rename Caffe blobs such as ``LAYER.0`` to PyTorch parameter names.

    The blobs of a layer are the weight and the bias. A BatchNorm layer stores the mean, the variance and a
    factor by which both are multiplied; this function divides them by the factor. Names that do not end in a
    number and further blobs of a layer are unchanged.

    Args:
        blobs: The blobs by name.
        norm: Suffix by which BatchNorm layers are recognized in the names.
    """
    parameters: dict[str, Tensor] = {}
    for key, blob in blobs.items():
        layer, _, number = key.rpartition(".")
        if not number.isdigit():
            parameters[key] = blob
        elif not layer.endswith(norm):
            name = _LAYER_BLOBS.get(number, number)
            # the parameters of PyTorch layers have at least one axis
            parameters[f"{layer}.{name}"] = blob.flatten() if blob.ndim == 0 else blob
        elif number in _NORM_BLOBS:
            factor = float(blobs[f"{layer}.2"])
            statistic = blob.flatten()
            # Caffe uses zeros if the factor is 0
            statistic = statistic / factor if factor else torch.zeros_like(statistic)
            parameters[f"{layer}.{_NORM_BLOBS[number]}"] = statistic
    return parameters
