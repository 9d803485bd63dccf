"""AlacGAN: User-Guided Deep Anime Line Art Colorization (Ci et al., ACM MM 2018).

ResNeXt blocks without normalization colorize line art. Maps of the color points are concatenated to feature
maps at 1/4 scale. https://arxiv.org/abs/1808.03240

Inside the networks, images and line art are in [-1, 1]. Module names match the authors' code.
`SketchFeatures` (``local_features="trained"``) and ``width`` are not in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, cycle, islice, pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.card import InputKind, OutputKind
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, pad_with_zeros, scaled_width
from colorzoo.networks.hint_unet import initialize, point_colors, points_of
from colorzoo.networks.renaming import Pattern
from colorzoo.precision import at_least_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width

LocalFeatures = Literal["illustration2vec", "trained"]

STRIDE, HINT_STRIDE = 16, 4
BLOCKS = (20, 8, 8, 5)
"""Number of blocks in the paper's generator at 1/16, 1/8, 1/4 and 1/2 scale."""

_SLOPE = 0.2
_DISCRIMINATOR_CARDINALITY = 8
_DILATIONS = (1, 1, 2, 2, 4, 4, 2, 1)
_LAST_DILATIONS = (1, 2, 4, 2, 1)
_FEATURES = 512
_MEAN = (164.76139251, 167.47864617, 181.13838569)  # mean of blue, green and red in [0, 255]
_I2V_LAYERS: tuple[int | str, ...] = (64, "M", 128, "M", 256, 256, "M", 512, 512)
LAST_FEATURE = 14  # later layers of Illustration2Vec predict tags
NAMES: tuple[Pattern, ...] = (
    (r"i2v\.", "features.layers."),
    (r"module\.(?=to|tunnel|exit\.)", ""),
    (r"(?:module\.)?(feed|feed2|out)\.", r"discriminator.\1."),
)
"""Parameter names of the authors' files; see `rename_keys`."""


class ResNeXtBlock(nn.Module):
    """ResNeXt block of 1 x 1, grouped and 1 x 1 convolutions (Xie et al. 2017).

    Args:
        channels: Number of input and output channels.
        cardinality: Number of groups of the grouped convolution. If ``channels / 2`` is not a multiple of
            this number, their greatest common divisor is used.
        stride: 1, or 2 to halve the resolution with a 4 x 4 kernel.
        dilation: Dilation of the grouped convolution.
    """

    def __init__(self, channels: int, cardinality: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        half, self.stride = channels // 2, stride
        self.conv_reduce = nn.Conv2d(channels, half, 1, bias=False)
        self.conv_conv = nn.Conv2d(
            half,
            half,
            2 + stride,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            groups=math.gcd(half, cardinality),
            bias=False,
        )
        self.conv_expand = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels, H / stride, W / stride)``."""
        y = F.leaky_relu(self.conv_reduce(x), _SLOPE)
        y = self.conv_expand(F.leaky_relu(self.conv_conv(y), _SLOPE))
        shortcut = F.avg_pool2d(x, 2) if self.stride == 2 else x
        return shortcut + y


class Illustration2Vec(nn.Module):
    """First layers of Illustration2Vec, a tagging network for illustrations.

    The layers (Saito and Matsui 2015) are the local feature network of the paper and are frozen. The authors'
    file ``i2v.pth`` contains the weights.
    """

    mean: Tensor
    channels = _FEATURES

    def __init__(self) -> None:
        from torchvision.models.vgg import make_layers  # slow import

        super().__init__()
        self.layers: nn.Sequential = make_layers([*_I2V_LAYERS])
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, lines: Tensor) -> Tensor:
        """Return features ``(B, 512, H/16, W/16)`` of line art ``(B, 1, H, W)`` in [-1, 1]."""
        levels = 255 * (F.avg_pool2d(lines, 2) / 2 + 0.5)
        return self.layers(levels.expand(-1, 3, -1, -1) - self.mean)


class SketchFeatures(nn.Sequential):
    """Trainable local feature network that replaces Illustration2Vec; not in the paper.

    The network maps line art ``(B, 1, H, W)`` to features ``(B, channels, H/16, W/16)``.

    Args:
        channels: Number of output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        for in_channels, out_channels in pairwise((1, channels // 8, channels // 4, channels // 2, channels)):
            self.extend(_down(in_channels, out_channels))


class StrokeNetwork(nn.Module):
    """Generator of AlacGAN, including the local feature network.

    Args:
        width: Multiplier for every channel count; 1.0 matches the paper.
        blocks: Number of ResNeXt blocks at 1/16, 1/8, 1/4 and 1/2 scale.
        features: Local feature network; None uses `Illustration2Vec`.
    """

    def __init__(
        self, width: float, blocks: Sequence[int] = BLOCKS, features: SketchFeatures | None = None
    ) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
        self.features = Illustration2Vec() if features is None else features
        self.toH = nn.Sequential(nn.Conv2d(4, c64, 7, padding=3), nn.LeakyReLU(_SLOPE))
        self.to0 = nn.Sequential(nn.Conv2d(1, c32, 3, padding=1), nn.LeakyReLU(_SLOPE))
        self.to1, self.to2 = _down(c32, c64), _down(c64, c128)
        self.to3, self.to4 = _down(c128 + c64, c256), _down(c256, c512)
        self.tunnel4 = _up(c512 + self.features.channels, c512, c256, 32, (1,), blocks[0])
        self.tunnel3 = _up(2 * c256, c256, c128, 32, _DILATIONS, blocks[1])
        self.tunnel2 = _up(2 * c128, c128, c64, 32, _DILATIONS, blocks[2])
        self.tunnel1 = _up(2 * c64, c64, c32, 16, _LAST_DILATIONS, blocks[3])
        self.exit = nn.Conv2d(2 * c32, 3, 3, padding=1)

    def forward(self, sketch: Tensor, hints: Tensor) -> Tensor:
        """Colorize sketches of any size.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: ``(B, 4, H/4, W/4)``, hint colors and mask from `quarter_hints`, where H and W are rounded
                up to multiples of 16.

        Returns:
            RGB ``(B, 3, H, W)`` in [-1, 1].
        """
        height, width = sketch.shape[-2:]
        lines = 2 * pad_to_multiple(sketch, STRIDE) - 1
        return self.generate(lines, hints, self.features(lines))[..., :height, :width]

    def generate(self, lines: Tensor, hints: Tensor, features: Tensor) -> Tensor:
        """Generate RGB images ``(B, 3, H, W)`` in [-1, 1] from padded line art.

        Args:
            lines: ``(B, 1, H, W)`` in [-1, 1]; H and W are multiples of 16.
            hints: ``(B, 4, H/4, W/4)``, hint colors and mask.
            features: ``(B, C, H/16, W/16)``, local features of the line art.
        """
        full = self.to0(lines)
        half = self.to1(full)
        quarter = self.to2(half)
        eighth = self.to3(torch.cat([quarter, self.toH(hints)], dim=1))
        x = self.tunnel4(torch.cat([self.to4(eighth), features], dim=1))
        for tunnel, skip in ((self.tunnel3, eighth), (self.tunnel2, quarter), (self.tunnel1, half)):
            x = tunnel(torch.cat([x, skip], dim=1))
        return torch.tanh(at_least_float32(self.exit(torch.cat([x, full], dim=1))))


class Discriminator(nn.Module):
    """Discriminator for images and the local features of their line art.

    Args:
        width: Multiplier for every channel count; 1.0 matches the paper.
        side: Image side in pixels, 64 times a power of 2; 512 in the paper.
        features: Number of channels of the local features.

    Raises:
        ColorzooError: ``side`` is not 64 times a power of 2.
    """

    def __init__(self, width: float, side: int, features: int) -> None:
        super().__init__()
        if side % 64 or (side // 64).bit_count() != 1:
            raise ColorzooError(
                f"'discriminator_side' must be 64 times a power of 2, such as 512, got {side}"
            )
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        # image features at 1/16 scale, the scale of the local features
        self.feed = nn.Sequential(
            *_conv(3, c64, 7, padding=3),
            *_conv(c64, c64, 4, stride=2, padding=1),
            *_halving(c64),
            *_conv(c64, c128, 1),
            *_halving(c128),
            *_conv(c128, c256, 1),
            *_halving(c256),
        )
        # the last convolution covers the whole map, so the side is halved from side / 16 to 4
        halvings = (side // 64).bit_length() - 1  # log2(side / 64)
        self.feed2 = nn.Sequential(
            *_conv(c256 + features, c512, 3, padding=1),
            *chain.from_iterable(_halving(c512) for _ in range(halvings)),
            ResNeXtBlock(c512, _DISCRIMINATOR_CARDINALITY),
            *_conv(c512, c512, 4),
        )
        self.out = nn.Linear(c512, 1)

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        """Return unbounded scores ``(B, 1)`` for images.

        Args:
            image: ``(B, 3, side, side)`` in [-1, 1].
            features: ``(B, C, side / 16, side / 16)``, local features of the line art.
        """
        x = self.feed2(torch.cat([self.feed(image), features], dim=1))
        return self.out(x.flatten(1))


def quarter_hints(color: Tensor, mask: Tensor) -> Tensor:
    """Average hints over cells of 4 x 4 pixels; return colors and mask ``(B, 4, H/4, W/4)``.

    Args:
        color: ``(B, 3, H, W)`` in [-1, 1].
        mask: ``(B, 1, H, W)`` in {0, 1}.
    """
    share = F.avg_pool2d(mask, HINT_STRIDE)
    mean = F.avg_pool2d(color * mask, HINT_STRIDE) / share.clamp(min=1e-6)
    return with_mask(mean, (share > 0).to(color.dtype))


def with_mask(color: Tensor, mask: Tensor) -> Tensor:
    """Set colors to 0 outside the mask and append the mask; return ``(B, 4, h, w)``.

    Args:
        color: ``(B, 3, h, w)``.
        mask: ``(B, 1, h, w)`` in {0, 1}.
    """
    return torch.cat([color * mask, mask], dim=1)


def _down(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1), nn.LeakyReLU(_SLOPE))


def _up(
    in_channels: int, between: int, out_channels: int, cardinality: int, dilations: Sequence[int], blocks: int
) -> nn.Sequential:
    """Build a fusion convolution, residual blocks with cycling dilations, and 2x upsampling."""
    block_dilations = islice(cycle(dilations), blocks)
    return nn.Sequential(
        nn.Conv2d(in_channels, between, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Sequential(*(ResNeXtBlock(between, cardinality, dilation=each) for each in block_dilations)),
        nn.Conv2d(between, 4 * out_channels, 3, padding=1),
        nn.PixelShuffle(2),
        nn.LeakyReLU(_SLOPE),
    )


def _conv(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> tuple[nn.Conv2d, nn.LeakyReLU]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False)
    return conv, nn.LeakyReLU(_SLOPE)


def _halving(channels: int) -> tuple[ResNeXtBlock, ResNeXtBlock]:
    return (
        ResNeXtBlock(channels, _DISCRIMINATOR_CARDINALITY),
        ResNeXtBlock(channels, _DISCRIMINATOR_CARDINALITY, stride=2),
    )


class StrokePainter(ColoringModel):
    """Sketch colorization with color points.

    Args:
        width: Multiplier for the generator's channel counts; 1.0 matches the paper.
        blocks: Number of ResNeXt blocks in each of the four decoder stages, from coarse to fine; 20, 8, 8 and
            5 in the paper.
        local_features: Network that extracts features of the line art: ``illustration2vec`` (frozen, as in
            the paper) or ``trained`` (not in the paper).
    """

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    published_unused = r"^i2v\.(1[5-9]|[2-9]\d)\."  # layers after `LAST_FEATURE`
    network: StrokeNetwork

    def __init__(
        self,
        width: Width = 1.0,
        blocks: tuple[int, ...] = BLOCKS,
        local_features: LocalFeatures = "illustration2vec",
    ) -> None:
        trained = local_features == "trained"
        features = SketchFeatures(scaled_width(512, width)) if trained else None
        network = StrokeNetwork(width, blocks, features)
        if trained:
            initialize(network, None)  # the paper uses PyTorch's default initialization
        super().__init__(network)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with color points."""
        points = points_of(guidance, lightness)
        color, mask = (pad_with_zeros(each, STRIDE) for each in (point_colors(points), points.mask))
        return RgbPrediction(rgb=(self.network(lightness, quarter_hints(color, mask)) + 1) / 2)
