"""DeOldify generators: U-Nets with a ResNet encoder and one of two decoder block types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.spectral import (
    ShuffleUp,
    SkipJoin,
    StoredSpectralAttention,
    StoredSpectralConv,
    WideBlock,
    repeat_kernels,
    spectral_block,
)

STRIDE = 16
"""Input height and width are padded to a multiple of 16 pixels, as in the published code."""

Encoder = Literal["resnet18", "resnet34", "resnet101"]
Decoder = Literal["deep", "wide"]

_LAYERS: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
}
_CHANNELS = (64, 128, 256, 512)
_WIDE = 512  # output channels of the wide decoder's blocks at nf_factor 2
_SKIP_BIAS = 1e-3  # initial BatchNorm bias on the skip connections
_RANGE = 3.0  # output bound in ImageNet standard deviations


class ResNetEncoder(nn.Module):
    """ResNet without a classification head, with torchvision's parameter names.

    Args:
        kind: ResNet variant.
        width: Multiplier for every channel count; 1.0 matches torchvision.
    """

    channels: tuple[int, ...]
    """Channels after the first ReLU and after each of the four residual stages."""

    def __init__(self, kind: Encoder, width: float = 1.0) -> None:
        super().__init__()
        block, counts = _LAYERS[kind]
        stem, *planes = (scaled_width(base, width) for base in (_CHANNELS[0], *_CHANNELS))
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.channels = (stem, *(each * block.expansion for each in planes))
        stages = zip(self.channels[:-1], planes, counts, (1, 2, 2, 2), strict=True)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            residual_group(block, in_channels, stage_planes, count, stride=stride)
            for in_channels, stage_planes, count, stride in stages
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return feature maps of images ``(B, 3, H, W)`` at 1/2, 1/4, 1/8, 1/16 and 1/32 scale."""
        maps = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, stride=2, padding=1)
        for group in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = group(x)
            maps.append(x)
        return maps


def residual_group(
    block: type[BasicBlock | Bottleneck], in_channels: int, planes: int, count: int, *, stride: int
) -> nn.Sequential:
    """Build a ResNet stage (He et al. 2016); only its first block changes resolution and channel count.

    Args:
        block: Block class.
        in_channels: Number of input channels.
        planes: Base channel count of the blocks; the stage has ``planes * block.expansion`` output channels.
        count: Number of blocks.
        stride: Stride of the first block; the other blocks have stride 1.
    """
    out_channels = planes * block.expansion
    downsample = None  # projection of the shortcut; None is the identity
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
        )
    first_block = block(in_channels, planes, stride, downsample)
    other_blocks = [block(out_channels, planes) for _ in range(count - 1)]
    return nn.Sequential(first_block, *other_blocks)


class DeepBlock(SkipJoin):
    """Decoder block of the artistic model: upsampling, skip connection, two convolutions.

    The base class `SkipJoin` upsamples the input and concatenates the skip connection.

    Args:
        in_channels: Number of input channels.
        skip: Number of channels of the skip connection.
        up: Number of channels of the input after upsampling.
        out_channels: Number of output channels.
        last: Modules that run after the second convolution, such as self-attention.
    """

    def __init__(self, in_channels: int, skip: int, up: int, out_channels: int, *last: nn.Module) -> None:
        super().__init__(in_channels, skip, up)
        self.conv1 = spectral_block(up + skip, out_channels)
        self.conv2 = spectral_block(out_channels, out_channels).extend(last)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Upsample a feature map and fuse it with a skip connection.

        Args:
            x: ``(B, in_channels, h, w)``, feature map.
            skip: ``(B, S, H, W)``, features of the skip connection with S channels.

        Returns:
            ``(B, out_channels, H, W)``.
        """
        return self.conv2(self.conv1(self.join(x, skip)))


def block_shapes(
    decoder: Decoder, nf_factor: float, encoder: Sequence[int]
) -> list[tuple[int, int, int, int]]:
    """Return the channel counts of the decoder blocks, from coarse to fine resolution.

    Args:
        decoder: Block type of the decoder, ``deep`` or ``wide``.
        nf_factor: Multiplier for the decoder's channel counts.
        encoder: Channel counts of the encoder maps; see `ResNetEncoder.channels`.

    Returns:
        Arguments of `DeepBlock` or `WideBlock` for each block: the channel counts of the input, the skip
        connection, the upsampled input and the output.
    """
    *skips, in_channels = encoder
    shapes = []
    for level, skip in reversed(list(enumerate(skips))):
        divisor = 2 if level == 0 else 1  # the last block has half as many output channels
        if decoder == "deep":
            up = in_channels // 2
            out_channels = int((up + skip) // divisor * nf_factor)
        else:
            out_channels = int(_WIDE * nf_factor) // 2 // divisor
            up = out_channels
        shapes.append((in_channels, skip, up, out_channels))
        in_channels = out_channels
    return shapes


class Refinement(nn.Module):
    """Residual block of two 3 x 3 convolutions, which runs at the resolution of the image.

    Args:
        channels: Number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = StoredSpectralConv(channels, channels, (3, 3), padding=1)
        self.second = StoredSpectralConv(channels, channels, (3, 3), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the two convolutions to a feature map ``(B, channels, H, W)``."""
        return F.relu(self.second(F.relu(self.first(x)))) + x


class DeOldifyNetwork(nn.Module):
    """Generator that converts gray images to RGB. Input and output use ImageNet normalization.

    Args:
        encoder: ResNet variant of the encoder.
        decoder: Block type of the decoder, ``deep`` or ``wide``.
        nf_factor: Multiplier for the decoder's channel counts.
        width: Multiplier for the encoder's channel counts; 1.0 matches the published network.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, nf_factor: float, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(encoder, width)
        deepest = self.encoder.channels[-1]
        self.norm = nn.BatchNorm2d(deepest)
        self.middle = nn.Sequential(
            spectral_block(deepest, 2 * deepest), spectral_block(2 * deepest, deepest)
        )
        block: type[DeepBlock | WideBlock] = DeepBlock if decoder == "deep" else WideBlock
        shapes = block_shapes(decoder, nf_factor, self.encoder.channels)
        attention = StoredSpectralAttention(shapes[1][-1])
        ends: list[tuple[nn.Module, ...]] = [(), (attention,), (), ()]
        self.blocks = nn.ModuleList([block(*shape, *end) for shape, end in zip(shapes, ends, strict=True)])
        channels = shapes[-1][-1]
        self.up = weighted_shuffle(channels)
        self.refine = Refinement(channels + 3)
        self.head = StoredSpectralConv(channels + 3, 3, (1, 1))
        for each in self.blocks:
            nn.init.constant_(each.get_submodule("bn").get_parameter("bias"), _SKIP_BIAS)

    def forward(self, image: Tensor) -> Tensor:
        """Colorize a normalized gray image ``(B, 3, H, W)``; H and W are multiples of 16.

        Returns:
            ``(B, 3, H, W)`` in (-3, 3), normalized RGB.
        """
        *skips, x = self.encoder(image)
        x = self.middle(F.relu(self.norm(x)))
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
        return self.finish(x, image)

    def finish(self, x: Tensor, image: Tensor) -> Tensor:
        """Compute normalized RGB ``(B, 3, H, W)`` from the output of the last decoder block.

        Args:
            x: ``(B, C, H/2, W/2)``, output of the last decoder block.
            image: ``(B, 3, H, W)``, normalized gray image, which is concatenated to the upsampled ``x``.
        """
        logits: Tensor = self.head(self.refine(torch.cat([self.up(x), image], dim=1)))
        return 2 * _RANGE * torch.sigmoid(logits.float()) - _RANGE


def weighted_shuffle(channels: int) -> ShuffleUp:
    """Build 2x upsampling (`ShuffleUp`) whose convolution uses weight normalization.

    The other upsampling layers of the decoder use spectral normalization.

    Args:
        channels: Number of input and output channels.
    """
    weight = nn.Conv2d(channels, 4 * channels, 1).weight.detach()
    nn.init.kaiming_normal_(weight)
    repeat_kernels(weight, 2)
    return ShuffleUp(NormedConv(weight))


class NormedConv(nn.Module):
    """Unpadded convolution with weight normalization.

    Parameter names match torch's ``weight_norm`` parametrization, whose modules cannot be pickled.

    Args:
        weight: ``(C', C, h, w)``, initial kernels; the bias starts at 0.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(len(weight)))
        self.parametrizations = nn.ModuleDict({"weight": _Kernels(weight)})

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)`` without padding; return ``(B, C', H - h + 1, W - w + 1)``."""
        return F.conv2d(x, self.parametrizations["weight"](), self.bias)


class _Kernels(nn.Module):
    """Kernels, stored as their norms ``original0`` and directions ``original1``."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.original0 = nn.Parameter(torch.linalg.vector_norm(weight, dim=(1, 2, 3), keepdim=True))
        self.original1 = nn.Parameter(weight)

    def forward(self) -> Tensor:
        lengths = torch.linalg.vector_norm(self.original1, dim=(1, 2, 3), keepdim=True)
        return self.original1 * (self.original0 / lengths)
