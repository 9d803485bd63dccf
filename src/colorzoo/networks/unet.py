"""U-Net for image translation with four pooling layers, bilinear upsampling and BatchNorm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import pad_to_multiple

SMALLEST_SIDE = 16
"""Minimum height and width in pixels, because four pooling layers divide the size by 16."""


class UNet(nn.Module):
    """U-Net with five levels and two 3 x 3 convolutions per level.

    Examples:
        >>> UNet(1, 2, base=8)(torch.rand(2, 1, 32, 48)).shape
        torch.Size([2, 2, 32, 48])

    Images may have any size. Pooling rounds sizes down, and each upsampled map is zero-padded to the size of
    its skip connection.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels; the output has no activation.
        base: Number of channels of the first level; 64 in the papers that use this network.
    """

    def __init__(self, in_channels: int, out_channels: int, base: int = 64) -> None:
        super().__init__()
        c1, c2, c3, c4 = base, 2 * base, 4 * base, 8 * base
        self.start = double_conv(in_channels, c1, c1)
        widths = ((c1, c2), (c2, c3), (c3, c4), (c4, c4))
        self.down = nn.ModuleList(double_conv(inputs, outputs, outputs) for inputs, outputs in widths)
        widths = ((2 * c4, c3), (2 * c3, c2), (2 * c2, c1), (2 * c1, c1))
        self.up = nn.ModuleList(double_conv(inputs, inputs // 2, outputs) for inputs, outputs in widths)
        self.head = nn.Conv2d(c1, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(B, out_channels, H, W)`` for ``(B, in_channels, H, W)``."""
        height, width = image.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            image = pad_to_multiple(image, 1, SMALLEST_SIDE)
        skips = [self.start(image)]
        for level in self.down:
            skips.append(level(F.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for level in self.up:
            skip = skips.pop()
            larger = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            rows, columns = skip.shape[-2] - larger.shape[-2], skip.shape[-1] - larger.shape[-1]
            larger = F.pad(larger, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            x = level(torch.cat([skip, larger], dim=1))
        return self.head(x)[..., :height, :width]


def double_conv(in_channels: int, between: int, out_channels: int) -> nn.Sequential:
    """Return two 3 x 3 convolutions with bias, each followed by BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, between, 3, padding=1),
        nn.BatchNorm2d(between),
        nn.ReLU(inplace=True),
        nn.Conv2d(between, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def initialize_gan(module: nn.Module, std: float = 0.02) -> None:
    """Initialize convolutions and BatchNorm layers as in DCGAN.

    Convolution weights are drawn from N(0, std) and BatchNorm scales from N(1, std). Biases are 0.

    Examples:
        >>> network = UNet(1, 2, base=8)
        >>> initialize_gan(network)
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, std)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, std)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
