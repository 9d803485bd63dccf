"""Parts of Gray2ColorNet (Lu et al. 2020) and its successor (Yin et al. 2021).

A gate mixes colors of matching places of a reference with those that its histogram suggests, at three levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.card import GuidanceKind
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.networks.blocks import InstanceNorm, cells, is_traced, scaled_width
from colorzoo.networks.levels import cosines, normalized_level, normalized_stack
from colorzoo.networks.scaling import AB_SCALE, scaled_lightness

PLACES_AT_ONCE = 4096
"""Places of the picture that are compared with all of the reference at once."""


class Transferred(NamedTuple):
    """The part of a reference that a picture takes, for decoder levels that begin at H/8, H/4 and H/2.

    The network of Yin et al. 2021 has half of these sizes.

    Attributes:
        matched: Maps ``(B, C, h, w)`` of the colors of matching places.
        general: Maps or vectors, ``(B, C, h, w)`` or ``(B, C, 1, 1)``, of the reference's histogram.
        gate: ``(B, 1, H/2, W/2)`` in [0, 1]: how far matched colors are trusted.
    """

    matched: list[Tensor]
    general: list[Tensor]
    gate: Tensor


class Reference(NamedTuple):
    """A reference as a network reads it.

    Attributes:
        lightness: ``(B, 1, side, side)``, L / 50 - 1.
        ab: ``(B, 2, h, w)``, in units of 110; h and w are ``side``, or a part of it.
        histogram: ``(B, N)`` of its colors.
    """

    lightness: Tensor
    ab: Tensor
    histogram: Tensor


class Colored(NamedTuple):
    """Output of a network that mixes matched colors with those of a histogram.

    Attributes:
        ab: ab / 110 in [-1, 1] at a quarter, a half and the full size, ``(B, 2, h, w)``.
        logits: ``(B, classes)`` of the picture.
        gate: See `Transferred`; None without a reference.
    """

    ab: list[Tensor]
    logits: Tensor
    gate: Tensor | None


def padded(picture: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column until both sides of ``(B, C, H, W)`` are multiples of a stride.

    They become at least two of them, because a normalized map needs two places.
    """
    height, width = (stride * cells(max(side, 2 * stride), stride) for side in picture.shape[-2:])
    missing = (0, width - picture.shape[3], 0, height - picture.shape[2])
    return F.pad(picture, missing, mode="replicate")


def encoder_blocks(fan_in: int, width: float) -> nn.ModuleList:
    """Return the six blocks of the encoder; the second to the fourth read every other place.

    Args:
        fan_in: Channels of its input.
        width: Multiplier of every channel count; 1.0 is published.
    """
    c64, c128, c256, c512 = (scaled_width(each, width) for each in (64, 128, 256, 512))
    return nn.ModuleList(
        [
            normalized_stack(fan_in, c64, c64),
            normalized_stack(c64, c128, c128),
            normalized_stack(c128, *[c256] * 3),
            normalized_stack(c256, *[c512] * 3),
            normalized_stack(*[c512] * 4, dilation=2),
            normalized_stack(*[c512] * 4, dilation=2),
        ]
    )


def encoder_maps(blocks: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """Return the maps ``(B, C, h, w)`` of `encoder_blocks`: of H, H/2, H/4, and three of H/8."""
    maps: list[Tensor] = []
    for index, block in enumerate(blocks):
        x = block(x[:, :, ::2, ::2] if 1 <= index <= 3 else x)
        maps.append(x)
    return maps


def gated_levels(width: float) -> nn.ModuleList:
    """Return the three levels of the decoder, with 256, 128 and 128 channels of output at a width of 1."""
    c64, c128, c256, c512 = (scaled_width(each, width) for each in (64, 128, 256, 512))
    return nn.ModuleList(
        [
            normalized_level(c512, c256, c256, 2, nn.ReLU(), InstanceNorm()),
            normalized_level(c256, c128, c128, 1, nn.ReLU(), InstanceNorm()),
            normalized_level(c128, c64, c128, 1, nn.LeakyReLU(0.2)),
        ]
    )


class GatedNetwork(nn.Module):
    """Base class of the networks: an encoder, a transfer from the reference, and three gated levels.

    Attributes:
        levels: Those of `gated_levels`.
        heads: Layers that make ab / 110 of the result of each level.
        classifier: Layer that makes the logits of the picture's class.
    """

    levels: nn.ModuleList
    heads: nn.ModuleList
    classifier: nn.Linear

    def forward(self, lightness: Tensor, reference: Reference | None = None) -> Colored:
        """Color a picture.

        Args:
            lightness: ``(B, 1, H, W)``, L / 50 - 1.
            reference: None leaves out what is mixed in.
        """
        maps = self.encode(lightness)
        given = None if reference is None else self.transfer(maps, reference)
        found = decode(maps, self.levels, self.heads, given)
        logits = self.classifier(maps[5].amax(dim=(2, 3)))
        return Colored(found, logits, None if given is None else given.gate)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return the six maps ``(B, C, h, w)`` of a picture."""
        raise NotImplementedError(f"{type(self).__name__} must define encode(lightness)")

    def transfer(self, maps: list[Tensor], reference: Reference) -> Transferred:
        """Match a picture, by its maps, with a reference."""
        raise NotImplementedError(f"{type(self).__name__} must define transfer(maps, reference)")


class PaintsByGate:
    """Part of a model over a `GatedNetwork`: its settings and how it colors; a subclass defines `read`.

    Attributes:
        stride: Pixels by which the sides of the network's input are divisible.
        architecture: Settings of the network, with a ``reference_side``.
    """

    accepts: frozenset[GuidanceKind] = frozenset({"exemplar"})
    recorded_hparams: ClassVar[tuple[str, ...]] = ("width", "reference_side", "classes", "tau")
    feature_layers: tuple[str, ...] = (
        *("network.body.0", "network.body.1"),
        *("network.body.2", "network.body.5"),
    )
    stride: ClassVar[int]
    network: Any
    architecture: Any

    def read(self, rgb: Tensor) -> Reference:
        """Return references ``(B, 3, H, W)`` in [0, 1] as the network reads them."""
        raise NotImplementedError(f"{type(self).__name__} must define read(rgb)")

    def require_side(self) -> None:
        """Check the side of references.

        Raises:
            ColorzooError: ``reference_side`` is not a multiple of `stride`.
        """
        side, default = self.architecture.reference_side, type(self.architecture).reference_side
        if side % self.stride:
            raise ColorzooError(
                f"reference_side must be a multiple of {self.stride} ({default} in the paper), got {side}."
            )

    def squared(self, rgb: Tensor) -> Tensor:
        """Resize references to the square that the network reads."""
        side = self.architecture.reference_side
        return F.interpolate(rgb.float(), size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)

    def paint(self, lightness: Tensor, reference: Reference | None) -> Colored:
        """Color lightness ``(B, 1, H, W)`` in [0, 100], padded to sides that the network can take."""
        found: Colored = self.network(scaled_lightness(padded(lightness, self.stride)), reference)
        return found

    def colors(self, lightness: Tensor, guidance: Guidance | None) -> Tensor:
        """Return ab ``(B, 2, H, W)``; without a reference nothing is mixed in."""
        exemplar = (guidance or Guidance()).exemplar
        found = self.paint(lightness, None if exemplar is None else self.read(exemplar.rgb))
        height, width = lightness.shape[-2:]
        return AB_SCALE * found.ab[2][:, :, :height, :width].float()


def decode(
    maps: Sequence[Tensor], levels: nn.ModuleList, heads: nn.ModuleList, given: Transferred | None
) -> list[Tensor]:
    """Return ab / 110 at three sizes, the coarsest first.

    Args:
        maps: Those of `encoder_maps`.
        levels: Those of `gated_levels`.
        heads: Layers that make ab / 110 of the result of each level.
        given: What is mixed in before each level; None for nothing.
    """
    x, found = maps[5], []
    for index, (level, head) in enumerate(zip(levels, heads, strict=True)):
        if given is not None:
            step = 4 >> index
            gate = given.gate[:, :, ::step, ::step]
            x = x + given.matched[index] * gate + given.general[index] * (1 - gate)
        x = level(x, maps[2 - index])
        found.append(head(x))
    return found


class ColorMaps(nn.Module):
    """Maps of a reference's colors, the "reference network", whose last two blocks halve the size.

    Args:
        channels: Channels of its four blocks.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        ins = (2, *channels[:-1])
        self.blocks = nn.ModuleList(normalized_stack(i, o, o) for i, o in zip(ins, channels, strict=True))

    def first(self, ab: Tensor, *, step: int = 1) -> Tensor:
        """Return the map ``(B, C, h / step, w / step)`` of ab / 110 ``(B, 2, h, w)``."""
        found: Tensor = self.blocks[1](self.blocks[0](ab)[:, :, ::step, ::step])
        return found

    def deeper(self, first: Tensor) -> list[Tensor]:
        """Return maps of a quarter, a half and the size of the first one, which is the last."""
        middle = self.blocks[2](first[:, :, ::2, ::2])
        return [self.blocks[3](middle[:, :, ::2, ::2]), middle, first]


def compare(ours: Tensor, theirs: Tensor, read: Callable[[Tensor], tuple[Tensor, ...]]) -> list[Tensor]:
    """Read the cosines of all places, of some thousands of the picture at once.

    Args:
        ours: ``(B, C, N)`` features of the picture.
        theirs: ``(B, C, M)`` features of the reference.
        read: Returns values ``(B, V, n)`` for the cosines ``(B, M, n)`` of n places of the picture.

    Returns:
        The values ``(B, V, N)``.
    """
    parts = (ours,) if is_traced() else torch.split(ours, PLACES_AT_ONCE, dim=2)
    found = [read(cosines(part, theirs)) for part in parts]
    return [torch.cat(each, dim=2) for each in zip(*found, strict=True)]
