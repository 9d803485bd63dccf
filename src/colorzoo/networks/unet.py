"""U-Net for image translation with four pooling layers, bilinear upsampling and BatchNorm."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.feature_hooks import FeatureHook, Visit, unchanged

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

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """Feature hooks for add-on models, at the outputs of the last three decoder levels."""
        channels = [cast(nn.Conv2d, level[3]).out_channels for level in cast(list[nn.Sequential], self.up)]
        return tuple(
            FeatureHook(f"up_{stride}", width, stride)
            for stride, width in zip((4, 2, 1), channels[1:], strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(B, out_channels, H, W)`` for ``(B, in_channels, H, W)``."""
        height, width = image.shape[-2:]
        return self.after_hooks(self.before_hooks(image), unchanged)[..., :height, :width]

    def before_hooks(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the network up to the first hook, the output of the second decoder level.

        Returns:
            The feature map of the first hook, and the skip connections of the last two decoder levels.
        """
        if min(image.shape[-2:]) < SMALLEST_SIDE:
            image = pad_to_multiple(image, 1, SMALLEST_SIDE)
        skips = [self.start(image)]
        for level in self.down:
            skips.append(level(F.max_pool2d(skips[-1], 2)))
        found = skips.pop()
        for level in self.up[:2]:
            found = _joined(level, found, skips.pop())
        return found, skips.pop(), skips.pop()

    def after_hooks(self, maps: tuple[Tensor, ...], visit: Visit) -> Tensor:
        """Run the network from the first hook to the output and call ``visit`` at each hook.

        If `before_hooks` padded the image, the output has the size of the padded image.
        """
        found, *skips = maps
        found = visit("up_4", found)
        for name, level, skip in zip(("up_2", "up_1"), self.up[2:], skips, strict=True):
            found = visit(name, _joined(level, found, skip))
        return cast(Tensor, self.head(found))


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


def _joined(level: nn.Module, image: Tensor, skip: Tensor) -> Tensor:
    """Run a decoder level on an upsampled map and its skip."""
    larger = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=True)
    rows, columns = skip.shape[-2] - larger.shape[-2], skip.shape[-1] - larger.shape[-1]
    padded = F.pad(larger, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return level(torch.cat([skip, padded], dim=1))


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
