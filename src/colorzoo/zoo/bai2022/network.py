"""Both stages of SSCN (Bai et al. 2022): chosen places of the reference are carried over and decoded.

First stage of SSCN (Bai et al. 2022): the style of a reference gives a picture rough colors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, conv3x3, scaled_width
from colorzoo.networks.levels import DecoderLevel, all_depths, cosines, fusing, shares
from colorzoo.settings import Count, Natural, Range, Width

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


CELL = 4
"""Pixels per matched place, each way."""


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published networks.
        side: Side in pixels of the square that both pictures are resized to, a multiple of 64.
        classes: Number of classes of the classifier, whose activation chooses places.
        important: Places of the reference that are chosen by the activation of its class (k).
        scattered: Places that are chosen by chance (r).
    """

    width: Width = 1.0
    side: Annotated[int, Range(64, unit="pixels")] = 256
    classes: Natural = 1000
    important: Natural = 256
    scattered: Count = 256


class Read(NamedTuple):
    """A reference as the encoder reads it.

    Attributes:
        maps: Maps of five sizes, the full one first.
        style: ``(B, 64)``.
        classes: ``(B, classes)``, logits of its class.
    """

    maps: list[Tensor]
    style: Tensor
    classes: Tensor


class Colored(NamedTuple):
    """Output of the networks, in units of 110.

    Attributes:
        rough: ``(B, 2, side, side)`` of the first stage, unbounded.
        ab: ``(B, 2, side, side)`` of the second stage, in [-1, 1].
        logits: ``(B, 529, side / 4, side / 4)`` over the ab grid.
        classes: ``(B, classes)``, logits of the class of the reference.
    """

    rough: Tensor
    ab: Tensor
    logits: Tensor
    classes: Tensor


class Aligner(nn.Module):
    """Maps of carried features for the three levels of the decoder.

    Args:
        channels: Channels of a place's features.
        width: Multiplier of every other channel count.
    """

    def __init__(self, channels: int, width: float = 1.0) -> None:
        super().__init__()
        c128, c256, c512 = (scaled_width(base, width) for base in (128, 256, 512))
        self.values = nn.Conv1d(channels, c512, 1)
        pairs = ((c512, c512), (c512, c256), (c256, c128))
        self.blocks = nn.ModuleList(
            nn.Sequential(conv3x3(i, o), nn.ReLU(), nn.BatchNorm2d(o)) for i, o in pairs
        )

    def forward(self, features: Tensor, weights: Tensor, size: torch.Size) -> list[Tensor]:
        """Return maps of half, the same and twice the size, ``(B, C, h', w')``.

        Args:
            features: ``(B, C, n)`` of chosen places, not normalized.
            weights: ``(B, n, h w)``, shares of the chosen places for each place of the picture.
            size: h and w.
        """
        carried = self.values(features) @ weights
        deep = self.blocks[0](carried.reshape(*carried.shape[:2], *size))
        middle = self.blocks[1](deep)
        fine = F.interpolate(self.blocks[2](middle), scale_factor=2)
        return [deep[:, :, ::2, ::2], middle, fine]


class Decoder(nn.Module):
    """Decoder of the maps of a roughly colored picture, to which carried features are added.

    Args:
        width: Multiplier of every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.levels = nn.ModuleList(
            [
                _level(c512, c256, c256, 2, nn.ReLU(), nn.BatchNorm2d(c256)),
                _level(c256, c128, c128, 1, nn.ReLU(), nn.BatchNorm2d(c128)),
                _level(c128, c64, c128, 1, nn.LeakyReLU(0.2)),
            ]
        )
        self.ab, self.logits = nn.Conv2d(c128, 2, 1), nn.Conv2d(c256, 529, 1)

    def forward(self, maps: list[Tensor], carried: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return ab / 110 ``(B, 2, H, W)`` and logits ``(B, 529, H/4, W/4)`` over the ab grid.

        Args:
            maps: Of the encoder at the full size, a half, a quarter and an eighth.
            carried: Maps of the aligner at an eighth, a quarter and a half.
        """
        x, found = maps[3], []
        for index, level in enumerate(self.levels):
            x = level(x + carried[index], maps[2 - index])
            found.append(x)
        return torch.tanh(self.ab(x)), self.logits(found[0])


def _level(channels: int, skip: int, out: int, convolutions: int, *last: nn.Module) -> DecoderLevel:
    first = nn.Sequential(conv3x3(channels, channels), nn.BatchNorm2d(channels), nn.ReLU())
    blocks = nn.Sequential(first, ResidualBlock(channels, channels), ResidualBlock(channels, channels))
    return DecoderLevel(blocks, (channels, skip, out), fusing(out, convolutions, *last))


class SparseNetworks(nn.Module):
    """The six networks.

    Args:
        architecture: Their settings.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.encoder = ColorEncoder(architecture.side, width)
        self.content, self.style_decoder = ContentEncoder(width), StyleDecoder(width)
        self.classifier = nn.Linear(scaled_width(512, width), architecture.classes)
        features = sum(scaled_width(base, width) for base in (64, 128, 256, 512))
        self.aligner, self.decoder = Aligner(features, width), Decoder(width)
        self.important = architecture.important

    def read(self, lab: Tensor) -> Read:
        """Read references ``(B, 3, side, side)`` in scaled Lab."""
        maps, style = self.encoder(lab)
        return Read(maps, style, self.classifier(maps[4].mean(dim=(2, 3))))

    def forward(self, lightness: Tensor, reference: Read, places: Tensor) -> Colored:
        """Color pictures.

        Args:
            lightness: ``(B, 1, side, side)``, L / 50 - 1.
            reference: Their references.
            places: ``(B, n)`` int64, places of the reference that are matched, on the grid of a quarter of
                the side, row by row; one may stand there twice.
        """
        rough = self.style_decoder(self.content(lightness), reference.style)
        maps, _ = self.encoder(torch.cat([lightness, rough], dim=1))
        size = maps[2].shape[-2:]
        ours, theirs = (all_depths(each[:4], size).flatten(2) for each in (maps, reference.maps))
        chosen = theirs.gather(2, places[:, None].expand(-1, theirs.shape[1], -1))
        carried = self.aligner(chosen, shares(cosines(ours, chosen)).to(chosen.dtype), size)
        ab, logits = self.decoder(maps, carried)
        return Colored(rough, ab, logits, reference.classes)

    def activation(self, reference: Read) -> Tensor:
        """Return how far each place speaks for the likeliest class of the reference, ``(B, h, w)``."""
        weight = self.classifier.weight[reference.classes.argmax(dim=1)]
        return torch.einsum("bc,bchw->bhw", weight, reference.maps[4])

    def important_places(self, reference: Read) -> Tensor:
        """Return the places ``(B, k)`` of the largest activation."""
        size = reference.maps[2].shape[-2:]
        fine = F.interpolate(self.activation(reference)[:, None].float(), size=size, mode="bilinear")
        return fine.flatten(1).topk(self.important, dim=1).indices
