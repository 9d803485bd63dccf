"""SCFT: Reference-Based Sketch Image Colorization (Lee et al., CVPR 2020).

Attention transfers reference features to matching sketch positions. https://arxiv.org/abs/2005.05207

The authors published no code. The layers follow the re-implementation kunkun0w0/SGA, which matches the paper
except for normalization layers and biases. Network inputs and outputs are in [-1, 1].
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.levels import Residual
from colorzoo.networks.renaming import Pattern
from colorzoo.precision import at_least_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width

STRIDE = 16
"""Stride of the attention map in pixels."""

_SLOPE = 0.2
_ENCODER = (16, 16, 32, 32, 64, 64, 128, 128, 256, 256)
_HALVING = (2, 4, 6, 8)  # indices of the layers with stride 2
_BLOCKS = 4

NAMES: tuple[Pattern, ...] = (
    (r"decoder\.layer(\d+)\.main\.", lambda m: f"decoder.layers.{10 - int(m[1])}."),  # SGA counts down
    (r"(encoder_\w+)\.layer(\d+)\.main\.", lambda m: f"{m[1]}.layers.{int(m[2]) - 1}."),
    (r"scft\.", "transfer."),
    (r"res_model\.main\.(\d)\.main\.", r"refine.\1.layers."),
    (r"decoder\.last_conv\.", "decoder.last."),
    (r"main\.(\d)\.main\.0\.module\.weight_bar", r"discriminator.layers.\1.0.weight_orig"),
    (r"main\.(\d)\.main\.0\.module\.", r"discriminator.layers.\1.0."),
    (r"main\.(\d)\.main\.", r"discriminator.layers.\1."),
    (r"main\.", "discriminator.layers."),
)
"""Patterns that rename the parameters of the re-implementation kunkun0w0/SGA."""


class Encoder(nn.Module):
    """Encoder of ten convolutions whose outputs are pooled to 1/16 scale and concatenated.

    Args:
        in_channels: Number of image channels: 1 for sketches, 3 for references.
        width: Multiplier for every channel count; 1.0 matches the paper.
    """

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        channels = (in_channels, *(scaled_width(base, width) for base in _ENCODER))
        self.channels = channels[1:]
        self.layers = nn.ModuleList(
            _conv_norm(in_channels, out_channels, stride=2 if index in _HALVING else 1)
            for index, (in_channels, out_channels) in enumerate(pairwise(channels))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the ten convolution outputs twice: pooled and concatenated, and unchanged.

        Args:
            x: Images ``(B, in_channels, H, W)`` in [-1, 1]; H and W are multiples of 16.

        Returns:
            Concatenated feature maps ``(B, 992 * width, H/16, W/16)``, and a list of the ten original feature
            maps, from large to small.
        """
        maps: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        # two successive maps have the same size; the strides are 1, 2, 4, 8 and 16
        pooled = [F.avg_pool2d(each, STRIDE // 2 ** (index // 2)) for index, each in enumerate(maps)]
        return torch.cat(pooled, dim=1), maps


class Attended(NamedTuple):
    """Output of the attention from sketch to reference.

    Attributes:
        features: ``(B, C, h, w)``, sketch features plus attended reference features.
        query: ``(B, N, C)``, queries of the sketch positions.
        key: ``(B, M, C)``, keys of the reference positions.
        weights: ``(B, N, M)`` attention weights; each row sums to 1.
    """

    features: Tensor
    query: Tensor
    key: Tensor
    weights: Tensor


class SpatiallyCorrespondingTransfer(nn.Module):
    """Spatially corresponding feature transfer (SCFT): attention from sketch to reference.

    Args:
        channels: Number of channels of the sketch and reference features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w_q, self.w_k, self.w_v = (nn.Linear(channels, channels) for _ in range(3))

    def forward(self, sketch: Tensor, reference: Tensor) -> Attended:
        """Add attended reference features ``(B, C, h', w')`` to sketch features ``(B, C, h, w)``."""
        sketch_tokens, reference_tokens = sketch.flatten(2).mT, reference.flatten(2).mT  # (B, N, C)
        query, key = self.w_q(sketch_tokens), self.w_k(reference_tokens)
        weights = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), dim=2)
        attended = (weights @ self.w_v(reference_tokens)).mT.reshape(sketch.shape)
        return Attended(sketch + attended, query, key, weights)


class Decoder(nn.Module):
    """Decoder of ten convolutions with skip connections from the sketch encoder.

    Args:
        features: Number of channels of `Attended.features`. The decoder's input has twice as many channels.
        channels: Channel counts of the sketch encoder's ten feature maps, from large to small.
    """

    def __init__(self, features: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        outs = channels[::-1]
        ins = (2 * features, *(before + skip for before, skip in pairwise(outs)))
        self.layers = nn.ModuleList(_conv_norm(i, o) for i, o in zip(ins, outs, strict=True))
        self.last = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, x: Tensor, maps: list[Tensor]) -> Tensor:
        """Decode features to an image ``(B, 3, H, W)`` in [-1, 1].

        Args:
            x: Refined and original attention output, concatenated, ``(B, 2 * features, H/16, W/16)``.
            maps: The sketch encoder's ten feature maps, from large to small.
        """
        x = self.layers[0](x)
        for index, (layer, skip) in enumerate(zip(self.layers[1:], maps[-2::-1], strict=True)):
            joined = [x, skip]
            if index % 2:  # the skip has twice the size, so upsample first
                joined = [skip, F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)]
            x = layer(torch.cat(joined, dim=1))
        return torch.tanh(at_least_float32(self.last(x)))


class Painted(NamedTuple):
    """Output of the generator.

    Attributes:
        image: Colorized sketches ``(B, 3, H, W)`` in [-1, 1].
        attended: Output of the attention from sketch to reference.
    """

    image: Tensor
    attended: Attended


class SCFTNetwork(nn.Module):
    """Generator that colorizes sketches with references, both of any size.

    The paper uses only images of 256 x 256 pixels.

    Args:
        width: Multiplier for every channel count; 1.0 matches the paper.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.encoder_sketch, self.encoder_reference = Encoder(1, width), Encoder(3, width)
        channels = self.encoder_sketch.channels
        features = sum(channels)
        self.transfer = SpatiallyCorrespondingTransfer(features)
        conv, norm = partial(nn.Conv2d, features, features, 3, padding=1), nn.BatchNorm2d
        self.refine = nn.Sequential(
            *(
                Residual(conv(), norm(features), nn.ReLU(inplace=True), conv(), norm(features))
                for _ in range(_BLOCKS)
            )
        )
        self.decoder = Decoder(features, channels)

    def forward(self, sketch: Tensor, reference: Tensor) -> Painted:
        """Colorize sketches ``(B, 1, H, W)`` with references ``(B, 3, H', W')``, all in [0, 1]."""
        height, width = sketch.shape[-2:]
        lines, maps = self.encoder_sketch(2 * pad_to_multiple(sketch, STRIDE) - 1)
        colors, _ = self.encoder_reference(2 * pad_to_multiple(reference, STRIDE) - 1)
        attended = self.transfer(lines, colors)
        refined = self.refine(attended.features) + attended.features
        image = self.decoder(torch.cat([refined, attended.features], dim=1), maps)
        return Painted(image[..., :height, :width], attended)


def _conv_norm(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(_SLOPE),
    )


class ReferencePainter(ColoringModel):
    """Colorization of sketches with the colors of a reference.

    Args:
        width: Multiplier for the generator's channel counts; 1.0 matches the paper.
    """

    accepts = frozenset({"exemplar"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    network: SCFTNetwork

    def __init__(self, width: Width = 1.0) -> None:
        super().__init__(SCFTNetwork(width))
        # channels_last makes torch's batch statistics about 100 times less accurate
        self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches with an exemplar as the reference.

        Without an exemplar, the sketch serves as the reference.

        Args:
            lightness: Sketches ``(B, 1, H, W)`` in [0, 1].
            guidance: Guidance with the exemplar.

        Returns:
            RGB. In training mode, ``extras`` of the prediction contains the ``query`` and ``key`` vectors of
            the attention.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness.expand(-1, 3, -1, -1) if exemplar is None else exemplar.rgb
        generated = self.network(lightness, reference)
        attended = generated.attended
        extras = {"query": attended.query, "key": attended.key}
        return RgbPrediction(rgb=(generated.image + 1) / 2, extras=extras)
