"""DeOldify (Antic, 2018 to 2024), https://github.com/jantic/DeOldify.

A U-Net with a ResNet encoder predicts RGB. The result combines the chroma of the predicted image with the
luma of the input. There is no paper. This implementation follows the author's code and notebooks. The
argument ``width`` is not in the author's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.imagenet import denormalized, normalized
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.spectral import (
    ShuffleUp,
    SkipJoin,
    StoredSpectralAttention,
    StoredSpectralConv,
    WideBlock,
    repeat_kernels,
    spectral_block,
)
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Range, Width

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
LARGEST_FACTOR = 64  # self-attention at 1/8 scale compares all pairs of positions, so memory grows as side**4

NAMES: tuple[Pattern, ...] = (
    (r"layers\.0\.0\.", "encoder.conv1."),
    (r"layers\.0\.1\.", "encoder.bn1."),
    (r"layers\.0\.([4-7])\.", lambda m: f"encoder.layer{int(m[1]) - 3}."),
    (r"layers\.1\.", "norm."),
    (r"layers\.3\.", "middle."),
    (r"layers\.([4-7])\.", lambda m: f"blocks.{int(m[1]) - 4}."),
    (r"layers\.8\.(.*)\.weight_g$", r"up.\1.parametrizations.weight.original0"),
    (r"layers\.8\.(.*)\.weight_v$", r"up.\1.parametrizations.weight.original1"),
    (r"layers\.8\.", "up."),
    (r"layers\.10\.layers\.0\.0\.", "refine.first."),
    (r"layers\.10\.layers\.1\.0\.", "refine.second."),
    (r"layers\.11\.0\.", "head."),
)
"""Patterns that rename the parameters of the author's generators; see `rename_keys`."""


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


class DeOldify(ColoringModel):
    """The artistic or stable DeOldify model, which colorizes without guidance.

    Args:
        encoder: ResNet variant of the encoder: ``resnet18``, ``resnet34`` (artistic model) or ``resnet101``
            (stable model).
        decoder: Block type of the decoder: ``deep`` (two convolutions per block, artistic model) or ``wide``
            (one convolution per block, stable model).
        nf_factor: Multiplier for the decoder's channel counts: 1.5 (artistic model) or 2 (stable model).
        width: Multiplier for the encoder's channel counts; 1.0 matches the published network.
        render_factor: Shorter side of the network input in inference and validation in units of 16 pixels, 1
            to 64. The published values are 35 for images and 21 for video. Lower values give more vivid
            colors. Higher values give more detail.
    """

    feature_layers = ("network.encoder",)
    published_names = NAMES
    network: DeOldifyNetwork

    def __init__(
        self,
        encoder: Encoder = "resnet34",
        decoder: Decoder = "deep",
        nf_factor: Positive = 1.5,
        width: Width = 1.0,
        render_factor: Annotated[int, Range(1, LARGEST_FACTOR)] = 35,
    ) -> None:
        super().__init__(DeOldifyNetwork(encoder, decoder, nf_factor, width))
        self.working_size = STRIDE * render_factor

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100]; ``guidance`` is not used.

        The chroma comes from the generated RGB image, and the luma comes from the input.
        """
        height, width = lightness.shape[-2:]
        gray = lightness_to_rgb(lightness)[:, :1]
        generated = self.generate(pad_to_multiple(gray, STRIDE))[:, :, :height, :width]
        return AbPrediction(ab=ab_of(generated, gray))

    def generate(self, gray: Tensor) -> Tensor:
        """Generate normalized RGB images from gray images.

        Args:
            gray: ``(B, 1, H, W)`` in [0, 1]; H and W are multiples of 16.

        Returns:
            RGB ``(B, 3, H, W)`` with ImageNet normalization.
        """
        return self.network(normalized(gray))


def keep_lightness(rgb: Tensor, gray: Tensor) -> Tensor:
    """Replace the luma Y of an RGB image without changing the chroma channels U and V.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        gray: ``(B, 1, H, W)`` in [0, 1], the new luma.

    Returns:
        ``(B, 3, H, W)``, clipped to [0, 1] as in the published code.
    """
    return (rgb + gray - rgb_to_gray(rgb)).clamp(0, 1)


def ab_of(generated: Tensor, gray: Tensor) -> Tensor:
    """Replace the luma of generated images with ``gray`` and return their ab channels.

    Args:
        generated: RGB ``(B, 3, H, W)`` with ImageNet normalization.
        gray: ``(B, 1, H, W)`` in [0, 1], the new luma.

    Returns:
        ab ``(B, 2, H, W)`` in CIE units.
    """
    return rgb_to_lab(keep_lightness(denormalized(generated.float()).clamp(0, 1), gray.float()))[:, 1:]
