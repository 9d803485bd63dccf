"""Renaming of the parameters in the authors' files for `ExemplarColorization`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys, split_by_prefix

FILES = {"vgg19_bn_gray_ft_iter_150000.caffemodel": "vgg", "example_net.pth": "colornet"}
"""Map from the authors' file names to key prefixes."""

_COUNTER = "num_batches_tracked"  # absent in files written before 2018
_LAST = {1: 6, 2: 4, 3: 6, 4: 6, 5: 6, 6: 6, 7: 6, 8: 4, 9: 2}  # index of the normalization in its block
_FIRST = {1: 0, 8: 2, 9: 2}  # number of the first convolution in a block; 1 for other blocks
_COLOR_NET: tuple[Pattern, ...] = (
    (r"conv1_1\.([02])\.", r"block1.\1."),
    (r"conv(1_2|2_2|3_3)norm_ss\.", lambda m: f"down{m[1][0]}."),
    (r"conv(\d)_\dnorm\.", lambda m: f"block{m[1]}.{_LAST[int(m[1])]}."),
    (r"conv(8|9|10)_1\.", r"up\1."),
    (r"conv(1_2|2_2|3_3)_short\.", lambda m: f"skip{m[1][0]}."),
    (r"conv10_2\.", "conv10."),
    (r"conv10_ab\.", "ab."),
    (r"conv(\d)_(\d)\.", lambda m: f"block{m[1]}.{2 * (int(m[2]) - _FIRST.get(int(m[1]), 1))}."),
)


_UNUSED_VGG = re.compile(r"conv5_[2-4]|fc\d|prob")  # layers after conv5_1
_VGG: tuple[Pattern, ...] = (
    (r"data/(bn|scale)\.", "scale."),
    (r"conv(\d)_(\d)/bn\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}.1."),
    (r"conv(\d)_(\d)\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}.0."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters in the authors' files to keys of `ExemplarColorization`.

    Args:
        state_dict: Tensors with the prefix ``vgg.`` (Caffe model of VGG-19) or ``colornet.`` (colorization
            sub-net). Unknown keys are kept for error reports of strict loading.
    """
    parts = split_by_prefix(state_dict, ("vgg.", "colornet."))
    features = convert_vgg(name_caffe_blobs(parts["vgg."], "/bn"))
    color_net = convert_color_net(parts["colornet."])
    return {
        **{f"features.{key}": value for key, value in features.items()},
        **{f"network.{key}": value for key, value in color_net.items()},
        **parts[""],
    }


def convert_color_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the 92 keys of ``example_net.pth`` to keys of `ColorNet`."""
    return _with_counters(rename_keys(state_dict, _COLOR_NET))


def convert_vgg(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters and statistics of the Caffe layers to keys of `GrayVGG`."""
    used = {key: value for key, value in state_dict.items() if not _UNUSED_VGG.match(key)}
    return _with_counters(rename_keys(used, _VGG))


def _with_counters(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the unused batch counters of normalization layers."""
    means = [key for key in state_dict if key.endswith(".running_mean")]
    counters = {key.replace("running_mean", _COUNTER): torch.tensor(0) for key in means}
    return {**counters, **state_dict}
