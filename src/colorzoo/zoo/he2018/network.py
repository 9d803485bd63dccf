"""Networks of He et al. 2018 (section 3): VGG-19 for gray images and colorization sub-net."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3, conv_relu_stack, scaled_width, upconv4x4
from colorzoo.networks.hint_unet import initialize

SCALES = (16, 8, 4, 2, 1)
"""Strides in pixels of the feature maps relu5_1, relu4_1, relu3_1, relu2_1 and relu1_1."""

INPUTS = 13
"""Input channels of the colorization sub-net: L, warped ab and 2 x 5 error maps."""

_CHANNELS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = (2, 2, 4, 4, 1)  # convolutions per block of VGG-19 up to relu5_1
_AB_RANGE = 100.0  # CIE units
_LEVELS = 2.55  # 8-bit levels per unit of L


class GrayVGG(nn.Module):
    """Frozen VGG-19 with batch normalization, trained by the authors on gray images.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(3)  # Caffe's layers data/bn and data/scale
        self.blocks = nn.ModuleList()
        in_channels = 3
        for count, base in zip(_CONVOLUTIONS, _CHANNELS, strict=True):
            out_channels = scaled_width(base, width)
            widths = [in_channels, *[out_channels] * count]
            self.blocks.append(nn.ModuleList(_normalized(i, o) for i, o in pairwise(widths)))
            in_channels = out_channels
        initialize(self, None)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Keep eval mode for any ``mode``, so the BatchNorm statistics do not change."""
        return super().train(False)

    def forward(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of lightness maps ``(B, 1, H, W)`` in [0, 100]."""
        return self.of_levels(_LEVELS * lightness)

    def of_levels(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of 8-bit lightness ``(B, 1, H, W)`` in [0, 255]."""
        x, hooks = self.scale(levels.expand(-1, 3, -1, -1)), []
        for number, block in enumerate(self.blocks):
            if number:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            for index, layer in enumerate(block.children()):
                x = F.relu(layer(x))
                if index == 0:
                    hooks.append(x)
        return tuple(reversed(hooks))


class ColorNet(nn.Module):
    """Colorization sub-net: ten blocks with three additive skip connections.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
        self.block1 = _block(INPUTS, c32, c64, c64)
        self.block2 = _block(c64, c128, c128)
        self.block3 = _block(c128, c256, c256, c256)
        self.block4 = _block(c256, c512, c512, c512)
        self.block5 = _block(c512, c512, c512, c512, dilation=2)
        self.block6 = _block(c512, c512, c512, c512, dilation=2)
        self.block7 = _block(c512, c512, c512, c512)
        self.down1, self.down2, self.down3 = _halve(c64), _halve(c128), _halve(c256)
        self.up8, self.skip3, self.block8 = upconv4x4(c512, c256), conv3x3(c256, c256), _block(*[c256] * 3)
        self.up9, self.skip2, self.block9 = upconv4x4(c256, c128), conv3x3(c128, c128), _block(c128, c128)
        self.up10, self.skip1, self.conv10 = upconv4x4(c128, c128), conv3x3(c64, c128), conv3x3(c128, c128)
        self.ab = nn.Conv2d(c128, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-100, 100].

        Args:
            x: ``(B, 13, H, W)``, output of `network_input`; H and W are multiples of 8.
        """
        map1 = self.block1(x)
        map2 = self.block2(self.down1(map1))
        map3 = self.block3(self.down2(map2))
        deep = self.block4(self.down3(map3))
        deep = self.block7(self.block6(self.block5(deep)))
        deep = self.block8(F.relu(self.up8(deep) + self.skip3(map3)))
        deep = self.block9(F.relu(self.up9(deep) + self.skip2(map2)))
        deep = F.relu(self.up10(deep) + self.skip1(map1))
        return _AB_RANGE * torch.tanh(self.ab(F.leaky_relu(self.conv10(deep), 0.2)).float())


def _normalized(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(in_channels, out_channels), nn.BatchNorm2d(out_channels, affine=False))


def _block(*channels: int, dilation: int = 1) -> nn.Sequential:
    """Build convolutions with ReLU, followed by BatchNorm without affine parameters."""
    return nn.Sequential(
        *conv_relu_stack(channels, dilation=dilation), nn.BatchNorm2d(channels[-1], affine=False)
    )


def _halve(channels: int) -> nn.Conv2d:
    """Build 2x subsampling with a learned weight per channel."""
    return nn.Conv2d(channels, channels, 1, stride=2, groups=channels, bias=False)
