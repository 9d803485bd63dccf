"""VGG-19 as exemplar papers use it (Simonyan and Zisserman 2015): Caffe's weights and scaling, five taps.

Reads RGB in [0, 1]; Caffe's weights want BGR in [0, 255] about ImageNet's mean.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.hint_unet import scaled_width

_CONVOLUTIONS = (2, 2, 4, 4, 4)
_CHANNELS = (64, 128, 256, 512, 512)
_MEAN_BGR = (0.40760392, 0.45795686, 0.48501961)


class VGGTaps(NamedTuple):
    """The second ReLU of each block.

    Attributes:
        relu1_2: ``(B, 64, H, W)``.
        relu2_2: ``(B, 128, H/2, W/2)``.
        relu3_2: ``(B, 256, H/4, W/4)``.
        relu4_2: ``(B, 512, H/8, W/8)``.
        relu5_2: ``(B, 512, H/16, W/16)``.
    """

    relu1_2: Tensor
    relu2_2: Tensor
    relu3_2: Tensor
    relu4_2: Tensor
    relu5_2: Tensor


class CaffeVGG19(nn.Module):
    """The convolutions of VGG-19; those after the last tap are there for the weights' sake, but do not run.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
    """

    mean: Tensor

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(3, 1, 1), persistent=False)
        fan_in = 3
        self.blocks = nn.ModuleList()
        for count, base in zip(_CONVOLUTIONS, _CHANNELS, strict=True):
            fan_out = scaled_width(base, width)
            widths = [fan_in, *[fan_out] * count]
            layers = [nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths)]
            self.blocks.append(nn.ModuleList(layers))
            fan_in = fan_out

    def forward(self, rgb: Tensor) -> VGGTaps:
        """Return the taps of ``(B, 3, H, W)`` RGB in [0, 1]."""
        x, taps = caffe_input(rgb, self.mean), []
        for number, block in enumerate(self.blocks, start=1):
            for index, layer in enumerate(block.children(), start=1):
                x = F.relu(layer(x))
                if index == 2:
                    taps.append(x)
                if index == 2 and number == len(self.blocks):
                    break
            x = F.max_pool2d(x, 2) if number < len(self.blocks) else x
        return VGGTaps(*taps)


def caffe_input(rgb: Tensor, mean: Tensor) -> Tensor:
    """Return BGR about its mean ``(3, 1, 1)``, times 255, of RGB in [0, 1]."""
    return (rgb.flip(1) - mean) * 255
