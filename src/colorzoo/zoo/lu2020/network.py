"""Gray2ColorNet (Lu et al. 2020): a network that mixes matched colors with those of the histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, is_traced, scaled_width
from colorzoo.networks.levels import (
    ColorMaps,
    all_depths,
    cosines,
    normalized_level,
    normalized_stack,
    shares,
)
from colorzoo.settings import Natural, Positive, Range, Width

STRIDE = 8
BINS = 441
PLACES_AT_ONCE = 4096
"""Places of the picture that are compared with all of the reference at once."""


@dataclass(frozen=True)
class Architecture:
    """Settings of the network.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published network.
        reference_side: Side in pixels of the square that references are resized to, a multiple of 8. The gate
            reads a value for each of its places.
        classes: Number of classes of the classifier.
        tau: Temperature of the match.
    """

    width: Width = 1.0
    reference_side: Annotated[int, Range(16, unit="pixels")] = 128
    classes: Natural = 1000
    tau: Positive = 0.01


class Reference(NamedTuple):
    """A reference as the network reads it.

    Attributes:
        lightness: ``(B, 1, side, side)``, L / 50 - 1.
        ab: ``(B, 2, side, side)``, in units of 110.
        histogram: ``(B, 441)`` shares of its colors.
    """

    lightness: Tensor
    ab: Tensor
    histogram: Tensor


class Transferred(NamedTuple):
    """Features that a picture takes from a reference.

    Attributes:
        maps: Maps of matched colors at H/8, H/4 and H/2, ``(B, C, h, w)``.
        vectors: Vectors of the reference's histogram for the same levels, ``(B, C, 1, 1)``.
        gate: ``(B, 1, H/2, W/2)`` in [0, 1]: how far matched colors are trusted.
    """

    maps: list[Tensor]
    vectors: list[Tensor]
    gate: Tensor


class Colored(NamedTuple):
    """Output of the network.

    Attributes:
        ab: ab / 110 in [-1, 1] at a quarter, a half and the full size, ``(B, 2, h, w)``.
        logits: ``(B, classes)`` of the picture.
        gate: See `Transferred`; None without a reference.
    """

    ab: list[Tensor]
    logits: Tensor
    gate: Tensor | None


class Gray2ColorNet(nn.Module):
    """The network; sides of the picture are multiples of 8.

    Args:
        architecture: Its settings.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.tau, width = architecture.tau, architecture.width
        c64, c128, c256, c512, c1024 = (scaled_width(each, width) for each in (64, 128, 256, 512, 1024))
        self.body = nn.ModuleList(
            [
                normalized_stack(1, c64, c64),
                normalized_stack(c64, c128, c128),
                normalized_stack(c128, *[c256] * 3),
                normalized_stack(c256, *[c512] * 3),
                normalized_stack(*[c512] * 4, dilation=2),
                normalized_stack(*[c512] * 4, dilation=2),
            ]
        )
        self.levels = nn.ModuleList(
            [
                normalized_level(c512, c256, c256, 2, nn.ReLU(), InstanceNorm()),
                normalized_level(c256, c128, c128, 1, nn.ReLU(), InstanceNorm()),
                normalized_level(c128, c64, c128, 1, nn.LeakyReLU(0.2)),
            ]
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, 2, 1), nn.Tanh()) for each in (c256, c128, c128)
        )
        self.histogram = HistogramVectors((c512, c512, c256, c128))
        self.colors = ColorMaps((c64, c128, c256, c512))
        places = (architecture.reference_side // 2) ** 2
        self.gate = nn.Sequential(
            nn.Conv1d(places, c1024, 1), nn.ReLU(), nn.Conv1d(c1024, 1, 1), nn.Sigmoid()
        )
        self.classifier = nn.Linear(c512, architecture.classes)

    def forward(self, lightness: Tensor, reference: Reference | None = None) -> Colored:
        """Color a picture.

        Args:
            lightness: ``(B, 1, H, W)``, L / 50 - 1.
            reference: None leaves out what is mixed in.
        """
        maps = self.encode(lightness)
        given = None if reference is None else self.transfer(maps, reference)
        x, found = maps[5], []
        for index, (level, head) in enumerate(zip(self.levels, self.heads, strict=True)):
            if given is not None:
                step = 4 >> index
                gate = given.gate[:, :, ::step, ::step]
                x = x + given.maps[index] * gate + given.vectors[index] * (1 - gate)
            x = level(x, maps[2 - index])
            found.append(head(x))
        logits = self.classifier(maps[5].amax(dim=(2, 3)))
        return Colored(found, logits, None if given is None else given.gate)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return the maps of the six blocks; the second to the fourth read every other place."""
        maps, x = [], lightness
        for index, block in enumerate(self.body):
            x = block(x[:, :, ::2, ::2] if 1 <= index <= 3 else x)
            maps.append(x)
        return maps

    def transfer(self, maps: list[Tensor], reference: Reference) -> Transferred:
        """Match a picture, by its maps, with a reference."""
        size = maps[1].shape[-2:]
        ours = all_depths(maps, size)
        encoded = self.encode(reference.lightness)
        theirs = all_depths(encoded, encoded[1].shape[-2:])
        carried, gate = self.match(ours.flatten(2), theirs.flatten(2), self.colors.values(reference.ab))
        matched = self.colors.deeper(carried.reshape(*carried.shape[:2], *size))
        return Transferred(
            matched[::-1], self.histogram(reference.histogram), gate.reshape(*gate.shape[:2], *size)
        )

    def match(self, ours: Tensor, theirs: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Match places, some thousands of the picture at once.

        Args:
            ours: ``(B, C, N)`` features of the picture.
            theirs: ``(B, C, M)`` features of the reference.
            values: ``(B, V, h, w)`` of the reference, of M places.

        Returns:
            The values ``(B, V, N)`` of the matching places, and the gate ``(B, 1, N)``.
        """
        parts = (ours,) if is_traced() else torch.split(ours, PLACES_AT_ONCE, dim=2)
        pairs = [self._match_some(part, theirs, values.flatten(2)) for part in parts]
        carried, gates = zip(*pairs, strict=True)
        return torch.cat(carried, dim=2), torch.cat(gates, dim=2)

    def _match_some(self, ours: Tensor, theirs: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        similarity = cosines(ours, theirs)
        return values @ shares(similarity, tau=self.tau).to(values.dtype), self.gate(similarity)


class HistogramVectors(nn.Module):
    """Vectors of a histogram for the levels of the decoder, the "global network".

    Args:
        channels: Channels of the hidden layers and of the three vectors.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        hidden, *outs = channels
        self.shared = nn.Sequential(
            *(nn.Conv2d(BINS, hidden, 1), nn.ReLU()),
            *(nn.Conv2d(hidden, hidden, 1), nn.ReLU()),
            *(nn.Conv2d(hidden, hidden, 1), nn.ReLU()),
        )
        self.of_level = nn.ModuleList(nn.Conv2d(hidden, each, 1) for each in outs)

    def forward(self, histogram: Tensor) -> list[Tensor]:
        """Return ``(B, C, 1, 1)`` for each level, the coarsest first, for ``(B, 441)``."""
        shared = self.shared(histogram[:, :, None, None])
        return [F.relu(layer(shared)) for layer in self.of_level]
