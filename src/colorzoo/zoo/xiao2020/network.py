"""Networks of Xiao et al. 2020, conditioned on a color histogram and coarse colors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import annealed_mean, hull_centers
from colorzoo.color.bins import soft_encode
from colorzoo.networks.blocks import conv3x3, conv_relu_stack, upconv4x4
from colorzoo.networks.running_norm import RunningNorm

QUARTER, EIGHTH = 4, 8
BINS = len(hull_centers())
_TEMPERATURE = 2.0  # temperature of the decoded colors; the loss uses 1


def color_codes(ab: Tensor) -> Tensor:
    """Encode ab as weights ``(B, 313, h, w)`` of the 313 color bins.

    Only the ten bins nearest to a color have nonzero weights. The weights of a pixel sum to 1.

    Args:
        ab: ``(B, 2, h, w)`` in CIE units.
    """
    codes = soft_encode(ab.movedim(1, -1).flatten(0, 2))
    return codes.view(ab.shape[0], *ab.shape[-2:], BINS).movedim(-1, 1)


def color_histogram(ab: Tensor) -> Tensor:
    """Return color histograms ``(B, 313)`` of images.

    The colors are averaged over 4 x 4 pixels before they are assigned to bins.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
    """
    return color_codes(F.avg_pool2d(ab, QUARTER)).mean(dim=(2, 3))


class DenseEncoding(nn.Module):
    """Four densely connected convolutions; the first output is added to the last output.

    Args:
        in_channels: Input channels.
        channels: Output channels.
        kernel: Kernel size of the two middle convolutions.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int) -> None:
        super().__init__()
        sizes = ((in_channels, 1), (channels, kernel), (2 * channels, kernel), (3 * channels, 1))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(wide, channels, side, padding=side // 2) for wide, side in sizes
        )
        self.norms = nn.ModuleList(RunningNorm(channels) for _ in sizes)

    def forward(self, codes: Tensor) -> Tensor:
        """Encode maps ``(B, in_channels, h, w)`` as ``(B, channels, h, w)``."""
        maps: list[Tensor] = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            encoded = convolution(torch.cat(maps, dim=1) if maps else codes)
            if convolution is self.convolutions[-1]:
                encoded = encoded + maps[0]
            maps.append(norm(F.relu(encoded)))
        return maps[-1]


class ResidualDenseBlock(nn.Module):
    """Three densely connected convolutions with a residual connection.

    Args:
        channels: Input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(conv3x3(count * channels, channels) for count in (1, 2, 3))
        self.join = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape as the input ``(B, channels, H, W)``."""
        maps = [x]
        for convolution in self.convolutions:
            maps.append(F.relu(convolution(torch.cat(maps, dim=1))))
        return x + self.join(torch.cat(maps, dim=1))


class LevelNetwork(nn.Module):
    """Network that colorizes images at one level of the pyramid (one image size).

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        coarse: Whether the network receives the colors of the previous level.
    """

    coarse: DenseEncoding | None
    centers: Tensor

    def __init__(self, width: float = 1.0, *, coarse: bool) -> None:
        super().__init__()
        c64, c128, c256, c512 = (max(1, round(base * width)) for base in (64, 128, 256, 512))
        self.reference = DenseEncoding(BINS + 1, c512, 1)
        self.coarse = DenseEncoding(BINS, c512, 3) if coarse else None
        self.block1 = _block((1, c64, c64), last_stride=2)
        self.block2 = _block((c64, c128, c128), last_stride=2)
        self.block3 = _block((c128, c256, c256, c256), last_stride=2)
        self.block4 = _block((c256, c512, c512, c512))
        self.block5, self.block6 = _dense_block(c512, dilation=2), _dense_block(c512, dilation=2)
        self.block7 = _dense_block(c512)
        rise = [upconv4x4(c512, c256), nn.ReLU(inplace=True)]
        self.block8 = nn.Sequential(*rise, *conv_relu_stack((c256,) * 3))
        self.class_head = nn.Conv2d(c256, BINS, 1)
        self.register_buffer("centers", hull_centers().clone(), persistent=False)

    def forward(self, lightness: Tensor, histogram: Tensor, coarse_ab: Tensor | None = None) -> Tensor:
        """Return color logits ``(B, 313, S/4, S/4)``.

        Args:
            lightness: ``(B, 1, S, S)`` in [0, 100]; S is a multiple of 8.
            histogram: Target histogram ``(B, 313)``.
            coarse_ab: ab ``(B, 2, S/8, S/8)`` of the previous level in CIE units; None at the first level.
        """
        x = self.block4(self.block3(self.block2(self.block1(lightness - 50))))
        x = self.block5(x + self.reference(F.pad(histogram, (0, 1), value=1.0)[:, :, None, None]))
        if self.coarse is not None and coarse_ab is not None:
            x = x + self.coarse(color_codes(coarse_ab).to(x))
        return self.class_head(self.block8(self.block7(self.block6(x))))

    def colors(self, logits: Tensor) -> Tensor:
        """Decode logits ``(B, 313, h, w)`` to ab ``(B, 2, h, w)`` in CIE units.

        The decoded color is the annealed mean: the mean color of the softmax of ``logits / 2``.
        """
        return annealed_mean(logits, self.centers, _TEMPERATURE)


class PyramidNetwork(nn.Module):
    """Pair of networks: one for the first level, and one for all later levels.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.first, self.later = LevelNetwork(width, coarse=False), LevelNetwork(width, coarse=True)

    def forward(self, lightness: list[Tensor], histograms: Tensor) -> tuple[Tensor, Tensor]:
        """Colorize images level by level.

        Args:
            lightness: A tensor ``(B, 1, S, S)`` in [0, 100] for each level; S doubles at each level.
            histograms: Target histograms ``(B, len(lightness), 313)``.

        Returns:
            ab ``(B, 2, S/4, S/4)`` in CIE units and logits ``(B, 313, S/4, S/4)`` of the last level.
        """
        logits = self.first(lightness[0], histograms[:, 0])
        for index in range(1, len(lightness)):
            below = self.later.colors(logits)
            logits = self.later(lightness[index], histograms[:, index], below)
        return self.later.colors(logits), logits


def _block(channels: tuple[int, ...], *, last_stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_relu_stack(channels, last_stride=last_stride), RunningNorm(channels[-1]))


def _dense_block(channels: int, *, dilation: int = 1) -> nn.Sequential:
    first = conv_relu_stack((channels, channels), dilation=dilation)
    rest = conv_relu_stack((channels,) * 3, dilation=dilation)
    return nn.Sequential(*first, ResidualDenseBlock(channels), *rest, RunningNorm(channels))
