"""Semantic-Sparse Colorization Network, SSCN (Bai et al., ECCV 2022).

Stage 1 predicts rough colors from the lightness and a style vector of the reference. Stage 2 refines the
rough colors with attention to selected cells of the reference; a cell is a square of 4 x 4 pixels. Some cells
are selected by their activation for the most likely class of the reference, and other cells are selected at
random. https://arxiv.org/abs/2112.01335

The authors published code, but no weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import InstanceNorm, conv3x3, scaled_width
from colorzoo.networks.levels import (
    DecoderLevel,
    attention_weights,
    cosines,
    fusion_layers,
    resize_and_concatenate,
)
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness, squashed
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeInt, PositiveInt, Range, Width

STYLE = 64
_SLOPE = 0.2

CELL = 4
"""Side of a matched cell in pixels."""

FILES = {f"latest_net_{name}.pth": name for name in ("E", "VE", "VD", "CLS", "A", "D")}
"""Map from file names in the authors' code to key prefixes."""

NAMES: tuple[Pattern, ...] = (
    (r"E\.enc_0\.", "encoder.first."),
    (r"E\.enc_(\d)\.", lambda m: f"encoder.blocks.{int(m[1]) - 1}."),
    (r"E\.shared\.1\.", "encoder.shared."),
    (r"E\.", "encoder."),
    (r"VE\.enc_(\d)\.", lambda m: f"content.{int(m[1]) - 1}."),
    (r"VD\.norm(\d)\.", lambda m: f"style_decoder.norms.{int(m[1]) - 1}."),
    (r"VD\.dec_(\d)\.", lambda m: f"style_decoder.layers.{int(m[1]) - 1}."),
    (r"CLS\.fc\.", "classifier."),
    (r"A\.w_v\.", "aligner.values."),
    (r"A\.model(\d)\.", r"aligner.blocks.\1."),
    (r"D\.block(\d)_1\.", r"decoder.levels.\1.blocks.0."),
    (r"D\.resblock(\d)_([23])\.", lambda m: f"decoder.levels.{m[1]}.blocks.{int(m[2]) - 1}."),
    (r"D\.model(\d)up\.0\.", r"decoder.levels.\1.up."),
    (r"D\.modelshort(\d)\.0\.", r"decoder.levels.\1.skip."),
    (r"D\.model(\d)\.", r"decoder.levels.\1.fuse."),
    (r"D\.model_out\.0\.", "decoder.ab."),
    (r"D\.model_class\.0\.", "decoder.logits."),
)


class ResidualBlock(nn.Module):
    """Pre-activation residual block whose output is divided by sqrt(2).

    Args:
        in_channels: Number of input channels, and of output channels of the first convolution.
        out_channels: Number of output channels.
        halve: Whether to halve height and width.
    """

    def __init__(self, in_channels: int, out_channels: int, *, halve: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(in_channels)
        self.conv1, self.conv2 = conv3x3(in_channels, in_channels), conv3x3(in_channels, out_channels)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.conv1x1: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.conv1x1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, H, W)`` to ``(B, out_channels, h, w)``.

        With ``halve``, h and w are H / 2 and W / 2. Otherwise, the size does not change.
        """
        inner = self.pool(self.conv1(F.leaky_relu(self.norm1(x), _SLOPE)))
        inner = self.conv2(F.leaky_relu(self.norm2(inner), _SLOPE))
        return (self.pool(self.conv1x1(x)) + inner) / math.sqrt(2)


class ColorEncoder(nn.Module):
    """Encoder of a Lab image into five feature maps and a style vector.

    Args:
        side: Side of the image in pixels, a multiple of 64.
        width: Multiplier for the channel counts of the feature maps.
    """

    def __init__(self, side: int, width: float) -> None:
        super().__init__()
        channels = [scaled_width(base, width) for base in (64, 128, 256, *[512] * 4)]
        self.first = conv3x3(3, channels[0])
        self.blocks = nn.ModuleList(ResidualBlock(i, o, halve=True) for i, o in pairwise(channels))
        self.shared = nn.Conv2d(channels[-1], channels[-1], side // 64)
        self.linear = nn.Linear(channels[-1], STYLE)

    def forward(self, lab: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode Lab images.

        Args:
            lab: ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.

        Returns:
            Five feature maps at 1, 1/2, 1/4, 1/8 and 1/16 of the input size, and style vectors ``(B, 64)``.
        """
        maps = [self.first(lab)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        x = F.leaky_relu(self.shared(F.leaky_relu(maps[6], _SLOPE)), _SLOPE)
        return maps[:5], self.linear(x.flatten(1))


class ContentEncoder(nn.Sequential):
    """VGG-19 up to relu4_1 with one input channel, reflection padding and average pooling.

    Args:
        width: Multiplier for every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        pool = nn.AvgPool2d(2, ceil_mode=True)
        super().__init__(
            nn.Sequential(nn.Conv2d(1, 3, 1), *_reflected_relu(3, c64)),
            nn.Sequential(*_reflected_relu(c64, c64), pool, *_reflected_relu(c64, c128)),
            nn.Sequential(*_reflected_relu(c128, c128), pool, *_reflected_relu(c128, c256)),
            nn.Sequential(*_reflected_relu(*[c256] * 4), pool, *_reflected_relu(c256, c512)),
        )


class AdaptiveNorm(nn.Module):
    """Adaptive instance normalization (AdaIN) with scale and shift from a style vector.

    Args:
        channels: Channels of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.fc = InstanceNorm(), nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalize each channel, then scale and shift it by values from a style vector.

        Args:
            x: ``(B, C, h, w)``, feature map.
            style: ``(B, 64)``, style vectors.
        """
        gamma, beta = self.fc(style)[:, :, None, None].chunk(2, dim=1)
        return (1 + gamma) * self.norm(x) + beta


class StyleDecoder(nn.Module):
    """Decoder of stage 1, which predicts rough colors.

    Adaptive instance normalization (AdaIN) injects the style vector of the reference at four depths.

    Args:
        width: Multiplier for every channel count.
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
        """Decode features ``(B, 512, h, w)`` to unbounded ab / 110 ``(B, 2, 8h, 8w)``."""
        for norm, layer in zip(self.norms, self.layers, strict=True):
            content = layer(norm(content, style))
        return content


def _reflected(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Build a 3 x 3 convolution with reflection padding."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(in_channels, out_channels, 3)]


def _reflected_relu(*channels: int) -> list[nn.Module]:
    """Build a `_reflected` convolution and a ReLU for each pair of successive channel counts."""
    layers: list[nn.Module] = []
    for in_channels, out_channels in pairwise(channels):
        layers += [*_reflected(in_channels, out_channels), nn.ReLU()]
    return layers


def _doubled(*channels: int) -> nn.Sequential:
    """Build ReLU, 2x upsampling and convolutions with ReLU between them."""
    *layers, _ = _reflected_relu(*channels)  # without the last ReLU
    return nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), *layers)


class Read(NamedTuple):
    """Encoder output for references.

    Attributes:
        maps: Feature maps at 1, 1/2, 1/4, 1/8 and 1/16 of the input size.
        style: ``(B, 64)``, style vectors.
        classes: ``(B, classes)``, class logits of the references.
    """

    maps: list[Tensor]
    style: Tensor
    classes: Tensor


class Colored(NamedTuple):
    """Network output. The ab channels are divided by 110.

    Attributes:
        rough: ``(B, 2, side, side)``, unbounded ab channels of stage 1.
        ab: ``(B, 2, side, side)``, ab channels of stage 2 in [-1, 1].
        logits: ``(B, 529, side / 4, side / 4)``, logits over the 529 bins of the ab grid.
        classes: ``(B, classes)``, class logits of the reference.
    """

    rough: Tensor
    ab: Tensor
    logits: Tensor
    classes: Tensor


class Aligner(nn.Module):
    """Projection that transfers features of selected reference cells to the image.

    The outputs are added to the inputs of three decoder levels.

    Args:
        channels: Number of feature channels of a cell.
        width: Multiplier for the other channel counts.
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
        """Return feature maps at 0.5, 1 and 2 times ``size``, each ``(B, C, h', w')``.

        Args:
            features: ``(B, C, n)``, unnormalized features of the n selected reference cells.
            weights: ``(B, n, h w)``, attention weights of the selected reference cells for each image cell.
            size: Number of rows and columns ``(h, w)`` of image cells.
        """
        carried = self.values(features) @ weights
        deep = self.blocks[0](carried.reshape(*carried.shape[:2], *size))
        middle = self.blocks[1](deep)
        fine = F.interpolate(self.blocks[2](middle), scale_factor=2)
        return [deep[:, :, ::2, ::2], middle, fine]


class Decoder(nn.Module):
    """Decoder of stage 2, which adds transferred reference features to the image features.

    Args:
        width: Multiplier for every channel count.
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
        """Return ab / 110 ``(B, 2, H, W)`` and logits ``(B, 529, H/4, W/4)`` over the ab bins.

        Args:
            maps: Feature maps of lightness and rough colors at full, 1/2, 1/4 and 1/8 scale.
            carried: Transferred reference features at 1/8, 1/4 and 1/2 scale; see `Aligner`.
        """
        x, decoded = maps[3], []
        for level, transferred, skip in zip(self.levels, carried, maps[2::-1], strict=True):
            x = level(x + transferred, skip)
            decoded.append(x)
        return torch.tanh(self.ab(x)), self.logits(decoded[0])


def _level(channels: int, skip: int, out: int, convolutions: int, *last: nn.Module) -> DecoderLevel:
    first = nn.Sequential(conv3x3(channels, channels), nn.BatchNorm2d(channels), nn.ReLU())
    blocks = nn.Sequential(first, ResidualBlock(channels, channels), ResidualBlock(channels, channels))
    return DecoderLevel(blocks, (channels, skip, out), fusion_layers(out, convolutions, *last))


class SparseNetworks(nn.Module):
    """The six SSCN networks: stage 1 predicts rough colors, and stage 2 refines the colors.

    Args:
        width: See `SparseColorization`.
        side: See `SparseColorization`.
        classes: See `SparseColorization`.
        important: See `SparseColorization`.
    """

    def __init__(
        self, width: float = 1.0, side: int = 256, classes: int = 1000, important: int = 256
    ) -> None:
        super().__init__()
        self.encoder = ColorEncoder(side, width)
        self.content, self.style_decoder = ContentEncoder(width), StyleDecoder(width)
        self.classifier = nn.Linear(scaled_width(512, width), classes)
        features = sum(scaled_width(base, width) for base in (64, 128, 256, 512))
        self.aligner, self.decoder = Aligner(features, width), Decoder(width)
        self.important = important

    def read(self, lab: Tensor) -> Read:
        """Encode references ``(B, 3, side, side)`` with the channels L / 50 - 1 and ab / 110."""
        maps, style = self.encoder(lab)
        return Read(maps, style, self.classifier(maps[4].mean(dim=(2, 3))))

    def forward(self, lightness: Tensor, reference: Read, positions: Tensor) -> Colored:
        """Colorize images with selected cells of encoded references.

        Args:
            lightness: ``(B, 1, side, side)``, L / 50 - 1.
            reference: Encoded references, as returned by `read`.
            positions: ``(B, n)`` int64, row-major indices of the selected reference cells. An index can occur
                more than once. The grid of cells has side / 4 rows and columns.
        """
        rough = self.style_decoder(self.content(lightness), reference.style)
        maps, _ = self.encoder(torch.cat([lightness, rough], dim=1))
        size = maps[2].shape[-2:]
        query = resize_and_concatenate(maps[:4], size).flatten(2)  # (B, C, N)
        key = resize_and_concatenate(reference.maps[:4], size).flatten(2)
        selected = key.gather(2, positions[:, None].expand(-1, key.shape[1], -1))  # (B, C, n)
        attention = attention_weights(cosines(query, selected)).to(selected.dtype)
        carried = self.aligner(selected, attention, size)
        ab, logits = self.decoder(maps, carried)
        return Colored(rough, ab, logits, reference.classes)

    def activation(self, reference: Read) -> Tensor:
        """Return class activation maps ``(B, h, w)`` at 1/16 of the input size.

        Each map belongs to the most likely class of a reference.
        """
        weight = self.classifier.weight[reference.classes.argmax(dim=1)]
        return torch.einsum("bc,bchw->bhw", weight, reference.maps[4])

    def important_places(self, reference: Read) -> Tensor:
        """Return indices ``(B, k)`` of the k reference cells with the highest class activation.

        k is the argument `important`.
        """
        size = reference.maps[2].shape[-2:]
        fine = F.interpolate(self.activation(reference)[:, None].float(), size=size, mode="bilinear")
        return fine.flatten(1).topk(self.important, dim=1).indices


class SparseColorization(ColoringModel):
    """Exemplar colorization with a style vector and selected cells of the reference.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published networks.
        side: Side of the square network input in pixels, a multiple of 64.
        classes: Number of classes that the classifier of the reference distinguishes.
        important: Number of reference cells (4 x 4 pixels) selected by class activation (k in the paper).
        scattered: Number of reference cells selected at random (r in the paper).

    Raises:
        ColorzooError: `important` or `scattered` exceeds the number of cells.
    """

    accepts = frozenset({"exemplar"})
    published_files, published_names = FILES, NAMES
    network: SparseNetworks
    scattered: Tensor

    def __init__(
        self,
        width: Width = 1.0,
        side: Annotated[int, Range(64, unit="pixels", step=64)] = 256,
        classes: PositiveInt = 1000,
        important: PositiveInt = 256,
        scattered: NonNegativeInt = 256,
    ) -> None:
        count = (side // CELL) ** 2
        if max(important, scattered) > count:
            raise ColorzooError(
                f"'important' and 'scattered' must each be at most {count}, the number of cells for side "
                f"{side}, got important {important} and scattered {scattered}"
            )
        super().__init__(SparseNetworks(width, side, classes, important))
        self.working_size = self.side = side
        self.scattered_count = scattered
        generator = torch.Generator().manual_seed(0)  # fixed seed: inference is deterministic
        self.register_buffer("scattered", self.by_chance([generator]), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the gray image serves as the reference. The entry ``logits`` of ``extras``
        contains the predicted logits over 529 ab bins.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness_to_rgb(lightness) if exemplar is None else exemplar.rgb
        target = scaled_lightness(squashed(lightness, self.working_size))
        colored = self.color(target, scaled_lab(squashed(reference, self.working_size)), self.scattered)
        ab = F.interpolate(AB_SCALE * colored.ab.float(), size=lightness.shape[-2:], mode="bicubic")
        return AbPrediction(ab=ab, extras={"logits": colored.logits})

    def color(self, lightness: Tensor, reference: Tensor, scattered: Tensor) -> Colored:
        """Colorize images at the input size of the networks.

        Args:
            lightness: Images ``(B, 1, side, side)``, L / 50 - 1.
            reference: References ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.
            scattered: ``(B, r)`` or ``(1, r)`` int64, row-major indices of the random reference cells.
        """
        read = self.network.read(reference)
        important = self.network.important_places(read)
        places = torch.cat([important, scattered.expand(important.shape[0], -1)], dim=1)
        return self.network(lightness, read, places)

    def by_chance(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw random reference cells without replacement and return their indices ``(B, r)``.

        Args:
            generators: A random generator for each image.
        """
        count = (self.side // CELL) ** 2
        permutations = [torch.randperm(count, generator=each) for each in generators]
        return torch.stack(permutations)[:, : self.scattered_count]
