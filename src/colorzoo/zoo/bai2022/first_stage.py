"""First stage of SSCN (Bai et al. 2022): the style of a reference gives a picture rough colors."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, conv3x3, scaled_width

STYLE = 64
_SLOPE = 0.2


class ResidualBlock(nn.Module):
    """Two normalized convolutions and a shortcut, whose sum is divided by the square root of 2.

    Args:
        fan_in: Channels of the input and of the first convolution.
        fan_out: Channels of the output.
        halve: Whether height and width are halved.
    """

    def __init__(self, fan_in: int, fan_out: int, *, halve: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(fan_in), nn.BatchNorm2d(fan_in)
        self.conv1, self.conv2 = conv3x3(fan_in, fan_in), conv3x3(fan_in, fan_out)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.conv1x1 = nn.Conv2d(fan_in, fan_out, 1, bias=False) if fan_in != fan_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, fan_out, h, w)``."""
        inner = self.pool(self.conv1(F.leaky_relu(self.norm1(x), _SLOPE)))
        inner = self.conv2(F.leaky_relu(self.norm2(inner), _SLOPE))
        joined: Tensor = (self.pool(self.conv1x1(x)) + inner) / math.sqrt(2)
        return joined


class ColorEncoder(nn.Module):
    """Encoder of a picture in color: maps of five sizes, and a vector of its style.

    Args:
        side: Side of the picture, a multiple of 64.
        width: Multiplier of the channel counts of the maps.
    """

    def __init__(self, side: int, width: float) -> None:
        super().__init__()
        channels = [scaled_width(base, width) for base in (64, 128, 256, *[512] * 4)]
        self.first = conv3x3(3, channels[0])
        self.blocks = nn.ModuleList(ResidualBlock(i, o, halve=True) for i, o in pairwise(channels))
        self.shared = nn.Conv2d(channels[-1], channels[-1], side // 64)
        self.linear = nn.Linear(channels[-1], STYLE)

    def forward(self, lab: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the maps and the style ``(B, 64)`` of scaled Lab ``(B, 3, side, side)``.

        The maps have the full size, a half, a quarter, an eighth and a sixteenth of it.
        """
        maps = [self.first(lab)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        x = F.leaky_relu(self.shared(F.leaky_relu(maps[6], _SLOPE)), _SLOPE)
        return maps[:5], self.linear(x.flatten(1))


class ContentEncoder(nn.Sequential):
    """VGG-19 up to relu4_1 for one channel, with reflection at borders and average pooling.

    Args:
        width: Multiplier of every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        pool = nn.AvgPool2d(2, ceil_mode=True)
        super().__init__(
            nn.Sequential(nn.Conv2d(1, 3, 1), *_reflected(3, c64), nn.ReLU()),
            nn.Sequential(*_reflected(c64, c64), nn.ReLU(), pool, *_reflected(c64, c128), nn.ReLU()),
            nn.Sequential(*_reflected(c128, c128), nn.ReLU(), pool, *_reflected(c128, c256), nn.ReLU()),
            nn.Sequential(
                *(layer for _ in range(3) for layer in (*_reflected(c256, c256), nn.ReLU())),
                *(pool, *_reflected(c256, c512), nn.ReLU()),
            ),
        )


class AdaptiveNorm(nn.Module):
    """Instance normalization whose factor and shift come from a style (AdaIN).

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.fc = InstanceNorm(), nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalize ``(B, C, h, w)`` by styles ``(B, 64)``."""
        gamma, beta = self.fc(style)[:, :, None, None].chunk(2, dim=1)
        found: Tensor = (1 + gamma) * self.norm(x) + beta
        return found


class StyleDecoder(nn.Module):
    """Decoder of the content that a style modulates at four depths.

    Args:
        width: Multiplier of every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.norms = nn.ModuleList(AdaptiveNorm(each) for each in (c512, c256, c128, c64))
        self.layers = nn.ModuleList(
            [
                nn.Sequential(*_reflected(c512, c256)),
                _doubled(c256, c256, c256, c256, c128),
                _doubled(c128, c128, c64),
                _doubled(c64, c64, 2),
            ]
        )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Return unbounded ab / 110 ``(B, 2, 8h, 8w)`` for content ``(B, 512, h, w)``."""
        for norm, layer in zip(self.norms, self.layers, strict=True):
            content = layer(norm(content, style))
        return content


def _reflected(fan_in: int, fan_out: int) -> list[nn.Module]:
    """Return a 3 x 3 convolution with reflection at borders, numbered as the authors' layers."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(fan_in, fan_out, 3)]


def _doubled(*channels: int) -> nn.Sequential:
    """Return an enlargement and convolutions through some channel counts, with ReLU before each."""
    first, *others = ([*_reflected(i, o)] for i, o in pairwise(channels))
    layers: list[nn.Module] = [nn.ReLU(), nn.Upsample(scale_factor=2), *first]
    for each in others:
        layers += [nn.ReLU(), *each]
    return nn.Sequential(*layers)
