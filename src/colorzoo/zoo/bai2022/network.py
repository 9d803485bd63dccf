"""Both stages of SSCN (Bai et al. 2022): chosen places of the reference are carried over and decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3, scaled_width
from colorzoo.networks.levels import DecoderLevel, all_depths, cosines, fusing, shares
from colorzoo.settings import Count, Natural, Range, Width
from colorzoo.zoo.bai2022.first_stage import ColorEncoder, ContentEncoder, ResidualBlock, StyleDecoder

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
