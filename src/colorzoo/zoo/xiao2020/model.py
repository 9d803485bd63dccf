"""Example-Based Colourization via Dense Encoding Pyramids (Xiao et al., CGF 2020).

The reference is reduced to a histogram of 313 colors. One network colorizes the image at 64 x 64 pixels, the
first level. Each later level doubles the size, and a second network refines the colors of the previous level.
https://doi.org/10.1111/cgf.13659
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import ExemplarModel
from colorzoo.color import annealed_mean, hull_centers, prior_probabilities, rgb_to_lab
from colorzoo.color.bins import soft_encode
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import RunningNorm, conv3x3, conv_relu_stack, upconv4x4
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys, split_by_prefix
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width

LEVELS = (64, 128, 256, 512, 1024)
QUARTER, EIGHTH = 4, 8
BINS = len(hull_centers())
_TEMPERATURE = 2.0  # temperature of the decoded colors; the loss uses 1

FILES = {"DEPN_init.caffemodel": "init", "DEPN_sub.caffemodel": "sub"}
"""Map from the authors' file names to key prefixes."""

_LOGIT_SCALE = "conv8_313_rh.weight"  # half of the factor of the logits; 0.5 if the file does not contain it
_CONSTANTS = re.compile(r"(class8_ab|data_l_meansub|conv8_313_rh)\.")
_NETWORKS = {"init.": "first", "sub.": "later"}
_BRANCHES = {"refer": "reference", "small": "coarse"}
# layer indices of the convolutions of a block; (0, 2, 4) in other blocks
_INDEX = {5: (0, 3, 5, 7), 6: (0, 3, 5, 7), 7: (0, 3, 5, 7)}
_NORMS = {1: 4, 2: 4, 3: 6, 4: 6, 5: 7, 6: 7, 7: 7}  # layer index of the normalization of each block

NAMES: tuple[Pattern, ...] = (
    (r"(refer|small)_conv(\d)norm\.", lambda m: f"{_BRANCHES[m[1]]}.norms.{int(m[2]) - 1}."),
    (r"(refer|small)_conv(\d)\.", lambda m: f"{_BRANCHES[m[1]]}.convolutions.{int(m[2]) - 1}."),
    (r"RDB(\d)_conv4\.", lambda m: f"block{int(m[1]) + 1}.2.join."),
    (r"RDB(\d)_conv(\d)\.", lambda m: f"block{int(m[1]) + 1}.2.convolutions.{int(m[2]) - 1}."),
    (r"(?:bw_)?conv(\d)_\dnorm\.", lambda m: f"block{m[1]}.{_NORMS[int(m[1])]}."),
    (r"(?:bw_)?conv(\d)_(\d)\.", lambda m: f"block{m[1]}.{_INDEX.get(int(m[1]), (0, 2, 4))[int(m[2]) - 1]}."),
    (r"conv8_313\.", "class_head."),
)
"""Patterns that rename the parameters of one Caffe file to keys of `LevelNetwork`; see `rename_keys`."""


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


class PyramidColorization(ColoringModel, ExemplarModel):
    """Exemplar colorization with the color histogram of a reference.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        level: Side in pixels of the square image at the last level. The authors use the largest level that
            does not exceed the longer image side.
    """

    accepts = frozenset({"exemplar", "statistics"})
    published_files: ClassVar[Mapping[str, str]] = FILES
    network: PyramidNetwork
    prior: Tensor

    def __init__(self, width: Width = 1.0, level: Literal[64, 128, 256, 512, 1024] = 256) -> None:
        network = PyramidNetwork(width)
        for each in (network.first, network.later):  # with PyTorch's defaults the histogram has no effect
            initialize(each, None)
            torch.nn.init.normal_(each.class_head.weight, std=0.1)  # large against rounding errors
        super().__init__(network)
        self.network.to(memory_format=torch.contiguous_format)  # more accurate batch statistics
        self.levels = [side for side in LEVELS if side <= level]
        self.register_buffer("prior", prior_probabilities().float(), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch with the color histogram of the exemplar.

        Without an exemplar, the histogram of the guidance statistics is used, or the mean histogram of
        ImageNet by default.

        An exemplar's ``alpha`` interpolates between the histograms of ImageNet (0) and the exemplar (1).
        ``extras["logits"]`` contains the color logits ``(B, 313, S/4, S/4)`` of the last level, where S is
        its image side.
        """
        guidance = guidance or Guidance()
        # target histogram of each level, (B, levels, 313)
        statistics = guidance.statistics
        histograms = usual = self.prior.expand(lightness.shape[0], len(self.levels), -1)
        if guidance.exemplar is not None:
            histograms = guidance.exemplar.embed_by(self.encode_reference, lambda: usual)
        elif statistics is not None and statistics.histogram is not None:
            histograms = statistics.histogram[:, None].expand_as(usual)

        ab, logits = self.network([_squeezed(lightness, side) for side in self.levels], histograms)
        size = (lightness.shape[-2], lightness.shape[-1])
        ab = F.interpolate(ab.float(), size, mode="bicubic", align_corners=True)

        # color statistics without effect
        notes = []
        if statistics is not None and statistics.saturation is not None:
            notes.append("xiao2020 does not use the saturation; it was ignored")
        if statistics is not None and statistics.histogram is not None and guidance.exemplar is not None:
            notes.append("xiao2020 does not use a color histogram with a reference; it was ignored")
        return AbPrediction(ab=ab, extras={"logits": logits.float()}, notes=tuple(notes))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return color histograms ``(B, levels, 313)`` of references at the size of each level.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].
        """
        found = [color_histogram(rgb_to_lab(_squeezed(rgb, side))[:, 1:]) for side in self.levels]
        return torch.stack(found, dim=1)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' Caffe parameters; see the function `convert_published`."""
        ours = convert_published(state_dict)
        counters = {key: value for key, value in self.state_dict().items() if "num_batches" in key}
        return {**counters, **ours}


def _squeezed(maps: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` to a square without antialiasing, as in the authors' code."""
    return F.interpolate(maps.float(), (side, side), mode="bilinear")


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the authors' two Caffe files to the names of this model.

    Args:
        state_dict: Tensors with the prefix ``init.`` (first level) or ``sub.`` (later levels), followed by
            Caffe names such as ``conv1_2.weight`` or ``conv1_2.0``. Other names are unchanged.
    """
    parts = split_by_prefix(state_dict, list(_NETWORKS))
    ours: dict[str, Tensor] = {}
    for prefix, network in _NETWORKS.items():
        published = name_caffe_blobs(parts[prefix], "norm")
        logit_factor = 2 * float(published.get(_LOGIT_SCALE, 0.5))
        parameters = {key: value for key, value in published.items() if not _CONSTANTS.match(key)}
        for key, value in rename_keys(parameters, NAMES).items():
            scaled = logit_factor * value if key.startswith("class_head.") else value
            ours[f"network.{network}.{key}"] = scaled
    return ours | parts[""]
