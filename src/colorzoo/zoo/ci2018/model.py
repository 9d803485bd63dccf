"""AlacGAN's stroke model (Ci et al., ACM MM 2018), a baseline for sketches: its generator.

ResNeXt stacks without normalization paint a sketch; hints enter at a quarter of the size.
https://arxiv.org/abs/1808.03240
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, pad_with_zeros, scaled_width
from colorzoo.networks.hint_unet import initialize, point_colors
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width, settings_of

STRIDE = 16
HINT_STRIDE = 4
_SLOPE = 0.2
_GROUP = 8  # channels of a group of ResNeXt


class ResNeXtBlock(nn.Module):
    """1 x 1, grouped 3 x 3 and 1 x 1 convolutions around a shortcut (Xie et al. 2017), without normalization.

    Args:
        channels: Channels of input and output, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = max(_GROUP, channels // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, half, 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(half, half, 3, padding=1, groups=half // _GROUP),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, channels, H, W)`` for the same."""
        return x + cast(Tensor, self.layers(x))


class SketchFeatures(nn.Sequential):
    """Local features of a sketch at a sixteenth of its size, trained with the rest of the network.

    They replace the paper's frozen Illustration2Vec.

    Args:
        channels: Channels of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        widths = (1, channels // 8, channels // 4, channels // 2, channels)
        for fan_in, fan_out in pairwise(widths):
            self.append(nn.Conv2d(fan_in, fan_out, 4, stride=2, padding=1))
            self.append(nn.LeakyReLU(_SLOPE))


class StrokeNetwork(nn.Module):
    """The generator.

    Args:
        width: Multiplier of every channel count.
        blocks: ResNeXt blocks at 1/16, 1/8, 1/4 and 1/2 of the size; 20, 8, 8, 5 in the paper.
        features: Maps a sketch ``(B, 1, H, W)`` to ``(B, features.channels, H/16, W/16)``; None takes
            `SketchFeatures`.
    """

    def __init__(
        self, width: float = 1.0, blocks: Sequence[int] = (20, 8, 8, 5), features: nn.Module | None = None
    ) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
        self.features = SketchFeatures(c512) if features is None else features
        self.stem = _down(1, c32, stride=1)
        self.down2, self.down4 = _down(c32, c64), _down(c64, c128)
        self.hint = nn.Sequential(nn.Conv2d(4, c64, 7, padding=3), nn.LeakyReLU(_SLOPE))
        self.down8, self.down16 = _down(c128 + c64, c256), _down(c256, c512)
        self.up8 = _up(c512 + int(cast(int, self.features.channels)), c512, c256, blocks[0])
        self.up4 = _up(2 * c256, c256, c128, blocks[1])
        self.up2 = _up(2 * c128 + c64, c128, c64, blocks[2])
        self.up1 = _up(2 * c64, c64, c32, blocks[3])
        self.head = nn.Conv2d(2 * c32, 3, 3, padding=1)

    def forward(self, sketch: Tensor, color: Tensor, mask: Tensor) -> Tensor:
        """Paint sketches of any size.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            color: ``(B, 3, H, W)`` in [-1, 1]; used where the mask is 1.
            mask: ``(B, 1, H, W)`` in {0, 1}.

        Returns:
            ``(B, 3, H, W)`` in [-1, 1].
        """
        height, width = sketch.shape[-2:]
        lines = 2 * pad_to_multiple(sketch, STRIDE) - 1
        hints = quarter_hints(pad_with_zeros(color, STRIDE), pad_with_zeros(mask, STRIDE))
        full = self.stem(lines)
        half = self.down2(full)
        quarter = torch.cat([self.down4(half), self.hint(hints)], dim=1)
        eighth = self.down8(quarter)
        deep = torch.cat([self.down16(eighth), self.features(lines)], dim=1)
        found = self.up8(deep)
        for layer, skip in ((self.up4, eighth), (self.up2, quarter), (self.up1, half)):
            found = layer(torch.cat([found, skip], dim=1))
        painted: Tensor = torch.tanh(self.head(torch.cat([found, full], dim=1)).float())
        return painted[..., :height, :width]


@dataclass(frozen=True)
class Architecture:
    """Settings of the generator.

    Attributes:
        width: Multiplier of every channel count.
        blocks: ResNeXt blocks of the four stages; 20, 8, 8, 5 in the paper.
    """

    width: Width = 1.0
    blocks: tuple[int, ...] = (20, 8, 8, 5)


class StrokePainter(ColoringModel):
    """Paints a sketch with the help of color points.

    Args:
        architecture: The generator.
        features: See `StrokeNetwork`.
    """

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: StrokeNetwork

    def __init__(
        self, architecture: Architecture = Architecture(), features: nn.Module | None = None
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        network = StrokeNetwork(architecture.width, architecture.blocks, features)
        initialize(network, None)
        super().__init__(network, architecture=architecture)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Paint sketches ``(B, 1, H, W)`` in [0, 1]."""
        points = guidance.points if guidance is not None else None
        points = Points.none(lightness) if points is None else points
        color = point_colors(points)
        return RgbPrediction(rgb=(self.network(lightness, color, points.mask) + 1) / 2)


def quarter_hints(color: Tensor, mask: Tensor) -> Tensor:
    """Return ``(B, 4, H/4, W/4)``: the mean color of each cell's hinted pixels, and a mask of cells."""
    share = F.avg_pool2d(mask, HINT_STRIDE)
    mean = F.avg_pool2d(color * mask, HINT_STRIDE) / share.clamp(min=1e-6)
    given = (share > 0).to(color.dtype)
    return torch.cat([mean * given, given], dim=1)


def _down(fan_in: int, fan_out: int, stride: int = 2) -> nn.Sequential:
    side = 4 if stride == 2 else 3
    return nn.Sequential(nn.Conv2d(fan_in, fan_out, side, stride=stride, padding=1), nn.LeakyReLU(_SLOPE))


def _up(fan_in: int, between: int, fan_out: int, blocks: int) -> nn.Sequential:
    """Return a fusion, ``blocks`` ResNeXt blocks, and a pixel shuffle to twice the size."""
    return nn.Sequential(
        nn.Conv2d(fan_in, between, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
        *(ResNeXtBlock(between) for _ in range(blocks)),
        nn.Conv2d(between, 4 * fan_out, 3, padding=1),
        nn.PixelShuffle(2),
        nn.LeakyReLU(_SLOPE),
    )
