"""EfficientNet-Lite2, a frozen feature extractor for grayscale images.

The network was trained on ImageNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946). The Lite variants
have no squeeze-and-excitation, and ReLU6 replaces swish. BatchNorm is folded into the convolutions. The input
is grayscale, so the kernels of the first layer are summed over red, green and blue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MULTIPLE = 32
"""Height and width of the input must be multiples of this number of pixels."""
_STEM = 32


class Stage(NamedTuple):
    """Consecutive blocks with the same number of output channels.

    Attributes:
        repeats: Number of blocks.
        kernel: Kernel size of the depthwise convolution.
        stride: Stride of the first block.
        expansion: Expansion ratio of the inverted residual block.
        width: Output channels.
    """

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


LITE2 = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 48),
    Stage(4, 3, 2, 6, 88),
    Stage(4, 5, 1, 6, 120),
    Stage(5, 5, 2, 6, 208),
    Stage(1, 3, 1, 6, 352),
)
"""Stages of EfficientNet-Lite2: 1.1 times the width and 1.2 times the depth of Lite0."""
HEAD = 1280
"""Number of channels of the pooled feature vector."""


class ImageNetFeatures(NamedTuple):
    """Feature maps ``(B, C, h, w)`` from fine to coarse, and a pooled vector.

    Attributes:
        maps4: 24 channels at 1/4 of the image size.
        maps8: 48 channels at 1/8 of the image size.
        maps16: 120 channels at 1/16 of the image size.
        maps32: 352 channels at 1/32 of the image size.
        vector: ``(B, 1280)``, global average of the last layer, which is the input of an ImageNet classifier.
    """

    maps4: Tensor
    maps8: Tensor
    maps16: Tensor
    maps32: Tensor
    vector: Tensor


class ImageNetEncoder(nn.Module):
    """EfficientNet-Lite2 without its classifier, for lightness input.

    Args:
        stages: Stages from fine to coarse.
    """

    def __init__(self, stages: tuple[Stage, ...] = LITE2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        width = _STEM
        for stage in stages:
            blocks = []
            for number in range(stage.repeats):
                stride = stage.stride if number == 0 else 1
                blocks.append(InvertedResidual(width, stage.width, stage.expansion, stage.kernel, stride))
                width = stage.width
            self.stages.append(nn.Sequential(*blocks))
        self.head = nn.Conv2d(width, HEAD, 1)

    def forward(self, lightness: Tensor) -> ImageNetFeatures:
        """Return the features of images.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100]; H and W must be multiples of 32.
        """
        padded = F.pad((lightness * 2.55 - 127) / 128, (0, 1, 0, 1))  # as in `InvertedResidual.forward`
        # in place, because the convolution output is not used elsewhere
        maps = F.relu6(self.stem(padded), inplace=True)
        found = []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        vector = F.relu6(self.head(maps), inplace=True).mean((2, 3))
        return ImageNetFeatures(found[1], found[2], found[4], found[6], vector)


def frozen_imagenet_encoder(state_dict: Mapping[str, Tensor]) -> ImageNetEncoder:
    """Return an ImageNet encoder with the given weights in evaluation mode.

    Its weights are non-persistent buffers, so they are neither trained nor stored in checkpoints.
    """
    device = torch.get_default_device()
    with torch.device("meta"):  # skips the initialization
        encoder = ImageNetEncoder()
    encoder.load_state_dict(state_dict, assign=True)
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            for name, value in list(layer.named_parameters(recurse=False)):
                delattr(layer, name)
                layer.register_buffer(name, value.detach(), persistent=False)
    return encoder.to(device, torch.float32).eval()  # some weights are stored in half precision


class InvertedResidual(nn.Module):
    """Inverted residual block: expansion, depthwise convolution and projection.

    The block has a residual connection if the shapes of input and output are equal.

    Args:
        width: Input channels.
        wider: Output channels.
        expansion: Expansion ratio; 1 omits the expansion layer.
        kernel: Kernel size of the depthwise convolution.
        stride: Stride of the depthwise convolution.
    """

    def __init__(self, width: int, wider: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = width * expansion
        padding = 0 if stride == 2 else kernel // 2
        self.expand = nn.Conv2d(width, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride=stride, padding=padding, groups=inner)
        self.project = nn.Conv2d(inner, wider, 1)
        self.is_added = stride == 1 and width == wider

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block to maps ``(B, width, h, w)`` and return ``(B, wider, h, w)``."""
        inner = maps if self.expand is None else F.relu6(self.expand(maps), inplace=True)
        if self.depthwise.stride[0] == 2:
            # TensorFlow's SAME padding of a map with even sides: more at the bottom and right
            kernel = self.depthwise.kernel_size[0]
            before, after = (kernel - 2) // 2, (kernel - 1) // 2
            inner = F.pad(inner, (before, after, before, after))
        found: Tensor = self.project(F.relu6(self.depthwise(inner), inplace=True))
        return maps + found if self.is_added else found
