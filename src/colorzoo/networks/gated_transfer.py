"""Shared parts of Gray2ColorNet (Lu et al. 2020) and its successor (Yin et al. 2021).

Each of three decoder levels adds reference features to its input. A gate blends two kinds of reference
features: features of the best matching reference positions, and features of the reference's color histogram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.guidance import Guidance
from colorzoo.networks.blocks import InstanceNorm, is_traced, pad_to_multiple, scaled_width
from colorzoo.networks.levels import cosines, normalized_level, normalized_stack, resize_and_concatenate
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE, scaled_lightness
from colorzoo.prediction import AbPrediction

_LEVELS = {"8": 0, "9": 1, "10": 2}
GATED_NAMES: tuple[Pattern, ...] = (
    (r"model([1-6])\.", lambda m: f"body.{int(m[1]) - 1}."),
    (r"resblock(\d)_1\.", r"levels.\1.blocks.0."),
    (r"resblock(\d)_([23])\.conv_block\.", lambda m: f"levels.{m[1]}.blocks.{int(m[2]) - 1}.layers."),
    (r"model(8|9|10)up\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.up."),
    (r"model\dshort(8|9|10)\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.skip."),
    (r"model(8|9|10)\.", lambda m: f"levels.{_LEVELS[m[1]]}.fuse."),
    (r"classify_network\.fc\.", "classifier."),
)
"""Patterns for parameter names in files of Lu et al. and Yin et al.; see `rename_keys`."""

POSITIONS_PER_CHUNK = 4096
"""Number of image positions that are compared with the whole reference in one matrix product."""


class Transferred(NamedTuple):
    """Reference features for three decoder levels, whose inputs have sizes H/8, H/4 and H/2.

    In the network of Yin et al. 2021, all sizes are half as large.

    Attributes:
        matched: Feature maps ``(B, C, h, w)`` of the colors at matching reference positions.
        general: Features of the reference's histogram, ``(B, C, h, w)`` maps or ``(B, C, 1, 1)`` vectors.
        gate: ``(B, 1, H/2, W/2)`` in [0, 1], blending weight: 1 selects ``matched``, 0 selects ``general``.
    """

    matched: list[Tensor]
    general: list[Tensor]
    gate: Tensor


class Reference(NamedTuple):
    """Network input computed from a reference.

    Attributes:
        lightness: ``(B, 1, side, side)``, L / 50 - 1.
        ab: ``(B, 2, h, w)``, ab / 110; h and w are ``side`` or a fraction of ``side``.
        histogram: ``(B, N)``, color histogram of the reference.
    """

    lightness: Tensor
    ab: Tensor
    histogram: Tensor


class Colored(NamedTuple):
    """Output of a `GatedNetwork`.

    Attributes:
        ab: ab / 110 in [-1, 1] at a quarter, half and full size, ``(B, 2, h, w)`` each.
        logits: ``(B, classes)``, logits of the image class.
        gate: `Transferred.gate`, the blending weight; None without a reference.
    """

    ab: list[Tensor]
    logits: Tensor
    gate: Tensor | None


def encoder_blocks(in_channels: int, width: float) -> nn.ModuleList:
    """Return the six convolution blocks of the image encoder, which `encoder_maps` runs.

    Args:
        in_channels: Input channels.
        width: Multiplier for every channel count; 1.0 matches the published network.
    """
    c64, c128, c256, c512 = (scaled_width(each, width) for each in (64, 128, 256, 512))
    return nn.ModuleList(
        [
            normalized_stack(in_channels, c64, c64),
            normalized_stack(c64, c128, c128),
            normalized_stack(c128, *[c256] * 3),
            normalized_stack(c256, *[c512] * 3),
            normalized_stack(*[c512] * 4, dilation=2),
            normalized_stack(*[c512] * 4, dilation=2),
        ]
    )


def encoder_maps(blocks: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """Run the blocks of `encoder_blocks` and return six feature maps, from fine to coarse.

    The inputs of blocks 2 to 4 are subsampled by 2. The maps have sizes H, H/2, H/4, H/8, H/8 and H/8.
    """
    maps: list[Tensor] = []
    for index, block in enumerate(blocks):
        x = block(x[:, :, ::2, ::2] if 1 <= index <= 3 else x)
        maps.append(x)
    return maps


def gated_levels(width: float) -> nn.ModuleList:
    """Return the three decoder levels of a `GatedNetwork`, from coarse to fine.

    Args:
        width: Multiplier for every channel count; 1.0 gives 256, 128 and 128 output channels.
    """
    c64, c128, c256, c512 = (scaled_width(each, width) for each in (64, 128, 256, 512))
    return nn.ModuleList(
        [
            normalized_level(c512, c256, c256, 2, nn.ReLU(), InstanceNorm()),
            normalized_level(c256, c128, c128, 1, nn.ReLU(), InstanceNorm()),
            normalized_level(c128, c64, c128, 1, nn.LeakyReLU(0.2)),
        ]
    )


class GatedNetwork(nn.Module):
    """Base class of networks with an encoder, a matching step and gated decoder levels.

    Attributes:
        levels: Three decoder levels, as returned by `gated_levels`.
        heads: Layers that predict ab / 110 from the output of each level.
        classifier: Layer that predicts the logits of the image class.
    """

    levels: nn.ModuleList
    heads: nn.ModuleList
    classifier: nn.Linear

    def forward(self, lightness: Tensor, reference: Reference | None = None) -> Colored:
        """Colorize a batch.

        Args:
            lightness: ``(B, 1, H, W)``, L / 50 - 1.
            reference: Network input computed from the reference. If None, no reference features are added.
        """
        maps = self.encode(lightness)
        transferred = None if reference is None else self.transfer(maps, reference)
        ab = decode(maps, self.levels, self.heads, transferred)
        logits = self.classifier(maps[5].amax(dim=(2, 3)))
        return Colored(ab, logits, None if transferred is None else transferred.gate)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return the six encoder maps ``(B, C, h, w)`` of an image."""
        raise NotImplementedError(f"{type(self).__name__} must define the method encode(lightness)")

    def match(
        self, maps: list[Tensor], reference: Reference, attend: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Compare an image with a reference; return values and gate at the size of the second encoder map.

        Args:
            maps: Encoder maps of the image.
            reference: Network input computed from the reference.
            attend: Function that computes values and gate ``(B, V, n)`` of n image positions from their
                cosine similarities ``(B, M, n)`` to all reference positions.
        """
        size = maps[1].shape[-2:]
        reference_maps = self.encode(reference.lightness)
        features = resize_and_concatenate(maps, size).flatten(2)
        reference_features = resize_and_concatenate(reference_maps, reference_maps[1].shape[-2:]).flatten(2)
        # in chunks, to limit memory
        chunks = (features,) if is_traced() else torch.split(features, POSITIONS_PER_CHUNK, dim=2)
        results = [attend(cosines(chunk, reference_features)) for chunk in chunks]
        values, gates = zip(*results, strict=True)
        value_map = torch.unflatten(torch.cat(values, dim=2), 2, size)
        return value_map, torch.unflatten(torch.cat(gates, dim=2), 2, size)

    def transfer(self, maps: list[Tensor], reference: Reference) -> Transferred:
        """Match the encoder maps of an image with a reference and return `Transferred` features."""
        raise NotImplementedError(f"{type(self).__name__} must define the method transfer(maps, reference)")


class GatedColorization:
    """Mixin for models that use a `GatedNetwork`; subclasses must define `read`.

    Attributes:
        stride: Number of pixels by which height and width of the network input must be divisible.
        reference_side: Side of the resized reference in pixels.
    """

    accepts: frozenset[str] = frozenset({"exemplar"})
    stride: ClassVar[int]
    network: Any
    reference_side: int

    def read(self, rgb: Tensor) -> Reference:
        """Convert reference images ``(B, 3, H, W)`` in [0, 1] to network input."""
        raise NotImplementedError(f"{type(self).__name__} must define the method read(rgb)")

    def resize_to_square(self, rgb: Tensor) -> Tensor:
        """Resize reference images bicubically to the square input of the network.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].

        Returns:
            ``(B, 3, side, side)``, where ``side`` is `reference_side`.
        """
        side = self.reference_side
        return F.interpolate(rgb.float(), size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)

    def pad(self, image: Tensor) -> Tensor:
        """Pad an image ``(B, C, H, W)`` to the size of the network input; see `pad_to_multiple`."""
        return pad_to_multiple(image, self.stride, least=2 * self.stride)

    def generate(self, lightness: Tensor, reference: Reference | None) -> Colored:
        """Pad lightness to a multiple of `stride` and run the network on it.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            reference: Network input computed from the reference. If None, no reference features are added.
        """
        return self.network(scaled_lightness(self.pad(lightness)), reference)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; without an exemplar, no reference features are added."""
        exemplar = (guidance or Guidance()).exemplar
        found = self.generate(lightness, None if exemplar is None else self.read(exemplar.rgb))
        height, width = lightness.shape[-2:]
        return AbPrediction(ab=AB_SCALE * found.ab[2][:, :, :height, :width].float())


def decode(
    maps: Sequence[Tensor], levels: nn.ModuleList, heads: nn.ModuleList, transferred: Transferred | None
) -> list[Tensor]:
    """Run the three decoder levels of a `GatedNetwork` and return the ab / 110 that each level predicts.

    Args:
        maps: Six encoder maps ``(B, C, h, w)`` from fine to coarse; see `encoder_maps`.
        levels: Three decoder levels from coarse to fine; see `gated_levels`.
        heads: Layers that predict ab / 110 from the output of each level.
        transferred: Reference features that are added to the input of each level; None adds no features.

    Returns:
        Three maps ``(B, 2, h, w)``, from coarse to fine.
    """
    skips = (maps[2], maps[1], maps[0])  # from coarse to fine, like the levels
    gate_steps = (4, 2, 1)  # subsampling of the gate, which has the size of the finest level
    x = maps[-1]
    predictions = []
    for index, (level, head, skip) in enumerate(zip(levels, heads, skips, strict=True)):
        if transferred is not None:
            matched, general = transferred.matched[index], transferred.general[index]
            step = gate_steps[index]
            gate = transferred.gate[:, :, ::step, ::step]
            x = x + matched * gate + general * (1 - gate)
        x = level(x, skip)
        predictions.append(head(x))
    return predictions


class ColorMaps(nn.Module):
    """Encoder of the reference colors, the "reference network" of Lu et al. 2020.

    The encoder has four blocks. The input of the third block and the input of the fourth block are subsampled
    by 2.

    Args:
        channels: Output channels of the four blocks.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        ins = (2, *channels[:-1])
        self.blocks = nn.ModuleList(normalized_stack(i, o, o) for i, o in zip(ins, channels, strict=True))

    def first(self, ab: Tensor, *, step: int = 1) -> Tensor:
        """Encode ab / 110 ``(B, 2, h, w)`` with the first two blocks.

        Returns:
            Feature map ``(B, C, h / step, w / step)``.
        """
        return self.blocks[1](self.blocks[0](ab)[:, :, ::step, ::step])

    def deeper(self, first: Tensor) -> list[Tensor]:
        """Encode the output of `first` with the last two blocks.

        Returns:
            Feature maps at a quarter and a half of the size of ``first``, followed by ``first`` itself.
        """
        middle = self.blocks[2](first[:, :, ::2, ::2])
        return [self.blocks[3](middle[:, :, ::2, ::2]), middle, first]
