"""Learning Representations for Automatic Colorization (Larsson et al., ECCV 2016).

A VGG-16 for gray images predicts a hue histogram and a chroma histogram, each with 32 bins, at each position.
The input of the prediction is the hypercolumn: the concatenated features of all layers at this position. A
decoding rule converts the histograms to a color. Hue is the HSV hue. Chroma is the maximum minus the minimum
of red, green and blue, and the gray level is the mean of red, green and blue.
https://arxiv.org/abs/1603.06668
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import RunningNorm, cells
from colorzoo.networks.renaming import Pattern
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Fraction, Positive, Width, check_choice

BINS = 32
"""Number of bins of each histogram."""

ChromaRule = Literal["median", "expectation", "mode", "q75"]
HueRule = Literal["expectation-cf", "expectation", "median", "mode"]

_FADED_BELOW = 0.03  # length of the mean hue vector below which chroma fades


def hue_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hue in [0, 1) and the chroma in [0, 1] of RGB ``(B, 3, H, W)`` in [0, 1].

    Each output has the shape ``(B, H, W)``. The hue of gray pixels is 0.
    """
    red, green, blue = rgb.unbind(1)
    value = rgb.amax(1)
    chroma = value - rgb.amin(1)
    divisor = torch.where(chroma > 0, chroma, 1.0)
    # hue in units of 60 degrees, if red, green or blue is the largest channel
    of_red, of_green = (green - blue) / divisor, 2 + (blue - red) / divisor
    of_blue = 4 + (red - green) / divisor
    sector = torch.where(value == red, of_red, torch.where(value == green, of_green, of_blue))
    hue = torch.where(chroma > 0, (sector / 6) % 1, 0.0)
    return torch.where(hue < 1, hue, 0.0), chroma


def bins_of(values: Tensor) -> Tensor:
    """Return the histogram bins, int64 in [0, 31], of hue or chroma values in [0, 1]."""
    return (BINS * values).long().clamp(max=BINS - 1)


def chroma_of(shares: Tensor, rule: ChromaRule) -> Tensor:
    """Decode chroma histograms to chroma ``(B, H, W)`` in [0, 1].

    Args:
        shares: Chroma histograms ``(B, 32, H, W)``; the bins of each position sum to 1.
        rule: Decoding rule; see the argument ``chroma`` of `HypercolumnColorization`.
    """
    check_choice("rule", rule, ChromaRule)
    if rule == "mode":
        return shares.argmax(1).to(shares) / BINS  # lower edge of the bin; hues use its center
    if rule == "expectation":
        return (shares * _centers(shares)).sum(1)
    return _quantile(shares, 0.5 if rule == "median" else 0.75)


def hue_of(shares: Tensor, rule: HueRule) -> tuple[Tensor, Tensor]:
    """Decode hue histograms to hue and a factor by which the chroma is multiplied.

    The rule ``expectation-cf`` (chromatic fading) returns factors below 1 for histograms without a clear
    hue. Other rules return factors of 1.

    Args:
        shares: Hue histograms ``(B, 32, H, W)``; the bins of each position sum to 1.
        rule: Decoding rule; see the argument ``hue`` of `HypercolumnColorization`.

    Returns:
        Hue in [0, 1) and factor in [0, 1], each ``(B, H, W)``.
    """
    check_choice("rule", rule, HueRule)
    no_fading = torch.ones_like(shares[:, 0])
    if rule == "mode":
        return (shares.argmax(1).to(shares) + 0.5) / BINS, no_fading
    if rule == "median":
        return _quantile(shares, 0.5), no_fading
    # hue is circular, so its expectation is the direction of the mean unit vector
    angle = 2 * math.pi * _centers(shares)
    x, y = (shares * angle.cos()).sum(1), (shares * angle.sin()).sum(1)
    hue = (torch.atan2(y, x) / (2 * math.pi)) % 1
    if rule == "expectation":
        return hue, no_fading
    # a short mean vector means an uncertain hue, whose chroma fades
    length = torch.linalg.vector_norm(torch.stack([x, y]), dim=0)  # ONNX has no hypot
    mean_length = length / BINS  # mean over the bins, as in the paper
    fading = mean_length.clamp(max=_FADED_BELOW) / _FADED_BELOW
    return hue, fading


def to_rgb(
    gray: Tensor,
    hue_shares: Tensor,
    chroma_shares: Tensor,
    *,
    hue: HueRule = "expectation-cf",
    chroma: ChromaRule = "median",
    boost: float = 1.0,
) -> Tensor:
    """Decode hue and chroma histograms and combine the colors with a gray level to RGB.

    The mean of red, green and blue can differ from the gray level; see `keep_gray`.

    Args:
        gray: Gray level ``(B, 1, H, W)`` in [0, 1].
        hue_shares: Hue histograms ``(B, 32, H, W)``.
        chroma_shares: Chroma histograms ``(B, 32, H, W)``.
        hue: Hue decoding rule; see `HypercolumnColorization`.
        chroma: Chroma decoding rule; see `HypercolumnColorization`.
        boost: Factor by which the saturation is multiplied.

    Returns:
        RGB ``(B, 3, H, W)`` in [0, 1].
    """
    level = gray[:, 0]
    decoded_hue, fading = hue_of(hue_shares, hue)
    faded_chroma = chroma_of(chroma_shares, chroma) * fading
    # HSV of lightness L and chroma C: V = L + C / 2, and S = C / V = 2 C / (2 L + C)
    value = (level + faded_chroma / 2).clamp(0, 1)
    denominator = 2 * level + faded_chroma  # 0 only for black without chroma
    saturation = 2 * faded_chroma / torch.where(denominator > 0, denominator, 1.0)
    return hsv_to_rgb(decoded_hue, (saturation * boost).clamp(0, 1), value)


def keep_gray(rgb: Tensor, gray: Tensor) -> Tensor:
    """Shift the RGB of each pixel so that its mean equals the gray level; clip to [0, 1].

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        gray: Gray level ``(B, 1, H, W)`` in [0, 1].
    """
    return (rgb + (gray - rgb.mean(1, keepdim=True))).clamp(0, 1)


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Convert hue, saturation and value ``(B, H, W)`` in [0, 1] to RGB ``(B, 3, H, W)``."""
    sectors = [(start + 6 * hue) % 6 for start in (5, 3, 1)]
    return torch.stack(
        [value - value * saturation * torch.minimum(at, 4 - at).clamp(0, 1) for at in sectors], dim=1
    )


def _quantile(shares: Tensor, level: float) -> Tensor:
    return ((shares.cumsum(1) < level).sum(1).to(shares) + 0.5) / BINS


def _centers(like: Tensor) -> Tensor:
    return (torch.arange(BINS, device=like.device, dtype=like.dtype).view(-1, 1, 1) + 0.5) / BINS


STRIDE = 32
"""Height and width of the network input are multiples of 32 pixels."""

QUARTER = 4
"""Stride of hypercolumns and histograms in pixels."""

BLOCKS = (
    (("conv1_1", 64), ("conv1_2", 64)),
    (("conv2_1", 128), ("conv2_2", 128)),
    (("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256)),
    (("conv4_1", 512), ("conv4_2", 512), ("conv4_3", 512)),
    (("conv5_1", 512), ("conv5_2", 512), ("conv5_3", 512)),
    (("fc6", 4096), ("fc7", 4096)),
)
"""Layer names and channels; every block except the first starts with 2 x 2 pooling."""

SCALES = (1, *(2**index for index, block in enumerate(BLOCKS) for _ in block))
"""Strides of the hypercolumn maps: the input and each layer."""

_HIDDEN = 1024
_KERNELS = {"fc6": 7, "fc7": 1}


class Histograms(NamedTuple):
    """Hue and chroma distributions over 32 bins at each position, or their logits.

    Attributes:
        hue: ``(B, 32, h, w)``.
        chroma: ``(B, 32, h, w)``.
    """

    hue: Tensor
    chroma: Tensor


class HypercolumnNetwork(nn.Module):
    """Fully convolutional VGG-16 with a prediction head on hypercolumns.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mean: Mean gray level, which is subtracted from the input: 0 for the published weights, 0.4488 in
            training.
        normalization: Whether BatchNorm follows every VGG-16 layer, as in training but not in the published
            network.
        dropout: Dropout probability after the layers fc6 and fc7 and after the hidden layer of the head.
    """

    def __init__(self, width: float, mean: float, *, normalization: bool, dropout: float) -> None:
        super().__init__()
        self.mean, self.dropout = mean, dropout
        self.trunk = nn.ModuleDict()
        self.channels = [1]
        for name, base in chain(*BLOCKS):
            out_channels = max(1, round(base * width))
            kernel = _KERNELS.get(name, 3)
            layers = OrderedDict[str, nn.Module](
                conv=nn.Conv2d(self.channels[-1], out_channels, kernel, padding=kernel // 2)
            )
            if normalization:
                layers["norm"] = RunningNorm(out_channels)
            layers["relu"] = nn.ReLU(inplace=True)
            if name in _KERNELS:  # fc6 and fc7
                layers["dropout"] = nn.Dropout(dropout)
            self.trunk[name] = nn.Sequential(layers)
            self.channels.append(out_channels)
        hidden = max(1, round(_HIDDEN * width))
        self.hidden = nn.Conv2d(sum(self.channels), hidden, 1)
        self.hue, self.chroma = nn.Conv2d(hidden, BINS, 1), nn.Conv2d(hidden, BINS, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                reach = (3 / layer.weight[0].numel()) ** 0.5
                nn.init.uniform_(layer.weight, -reach, reach)
                nn.init.zeros_(cast(Tensor, layer.bias))
        nn.init.normal_(self.hidden.weight, std=1e-4)

    def forward(self, gray: Tensor) -> Histograms:
        """Predict hue and chroma histograms, each ``(B, 32, H/4, W/4)``.

        Args:
            gray: Gray level minus ``mean``, ``(B, 1, H, W)``; H and W are multiples of 32.
        """
        hidden = self.hidden_map(self.features(gray))
        return Histograms(self.hue(hidden).float().softmax(1), self.chroma(hidden).float().softmax(1))

    def features(self, gray: Tensor) -> list[Tensor]:
        """Return the input and the outputs of all VGG-16 layers, the parts of the hypercolumn.

        `SCALES` contains the strides of these maps.

        Args:
            gray: Gray level minus ``mean``, ``(B, 1, H, W)``; H and W are multiples of 32.
        """
        maps, x = [gray], gray
        for index, block in enumerate(BLOCKS):
            if index:
                x = F.max_pool2d(x, 2)
            for name, _ in block:
                x = self.trunk[name](x)
                maps.append(x)
        return maps

    def hidden_map(self, maps: Sequence[Tensor]) -> Tensor:
        """Apply the hidden layer of the prediction head at stride 4.

        The hidden layer is a 1 x 1 convolution, so it can be applied to each map before the upsampling. The
        12,417 hypercolumn channels are then never stored at stride 4.

        Args:
            maps: Output of `features`.

        Returns:
            Hidden features ``(B, 1024 * width, H/4, W/4)``.
        """
        # maps of equal stride form a group, whose channels are adjacent in the hypercolumn
        scales = (4, 8, 16, 32)
        pairs = [
            (at_quarter(each, stride), max(stride, QUARTER))
            for each, stride in zip(maps, SCALES, strict=True)
        ]
        groups = [torch.cat([each for each, stride in pairs if stride == scale], dim=1) for scale in scales]
        weights = torch.split(self.hidden.weight, [group.shape[1] for group in groups], dim=1)
        hidden = F.conv2d(groups[0], weights[0], self.hidden.bias)
        for scale, group, weight in zip(scales[1:], groups[1:], weights[1:], strict=True):
            hidden = hidden + enlarge(F.conv2d(group, weight), scale // QUARTER)
        return hidden.relu()

    def logits_at(self, gray: Tensor, positions: Tensor) -> Histograms:
        """Return hue and chroma logits, each ``(B P, 32)``, at sampled positions.

        Args:
            gray: Gray level minus ``mean``, ``(B, 1, H, W)``; H and W are multiples of 32.
            positions: Rows and columns in pixels, ``(B, P, 2)``.
        """
        return self.logits_of(columns(self.features(gray), positions, SCALES, [(s - 1) / 2 for s in SCALES]))

    def logits_of(self, column: Tensor) -> Histograms:
        """Return hue and chroma logits, each ``(N, 32)``, of hypercolumns ``(N, C)``."""
        hidden = F.linear(column, self.hidden.weight.flatten(1), self.hidden.bias).relu()
        hidden = F.dropout(hidden, self.dropout, self.training)[:, :, None, None]
        return Histograms(self.hue(hidden).float().flatten(1), self.chroma(hidden).float().flatten(1))


def at_quarter(maps: Tensor, scale: int) -> Tensor:
    """Average-pool a map to stride 4, or return it unchanged if its stride is at least 4.

    Args:
        maps: ``(B, C, h, w)``.
        scale: Stride of the map in pixels.
    """
    return F.avg_pool2d(maps, QUARTER // scale) if scale < QUARTER else maps


def enlarge(maps: Tensor, factor: int) -> Tensor:
    """Upsample maps bilinearly with zero padding, like Caffe's deconvolution.

    Args:
        maps: ``(B, C, H, W)``.
        factor: Integer upsampling factor.

    Returns:
        Maps ``(B, C, factor H, factor W)``, whose values decrease towards 0 in a border of ``factor / 2``
        pixels.
    """
    large = F.interpolate(F.pad(maps, (1, 1, 1, 1)), scale_factor=factor, mode="bilinear")
    return large[:, :, factor:-factor, factor:-factor]


def columns(
    maps: Sequence[Tensor], positions: Tensor, scales: Sequence[int], offsets: Sequence[float]
) -> Tensor:
    """Return the hypercolumns (features of all layers) at positions, bilinearly interpolated.

    Args:
        maps: Maps ``(B, C, H / scale, W / scale)``, one per layer.
        positions: Rows and columns in pixels, ``(B, P, 2)``, clamped to the image.
        scales: Stride of each map in pixels.
        offsets: Pixel coordinate of the first element of each map.

    Returns:
        Hypercolumns ``(B P, sum of C)``.
    """
    parts = [
        sample(each, (positions - offset) / scale)
        for each, scale, offset in zip(maps, scales, offsets, strict=True)
    ]
    return torch.cat(parts, dim=2).flatten(0, 1)


def sample(maps: Tensor, positions: Tensor) -> Tensor:
    """Interpolate maps bilinearly at positions and return values ``(B, P, C)``.

    Args:
        maps: ``(B, C, H, W)``.
        positions: Rows and columns in map elements, ``(B, P, 2)``, clamped to the map.
    """
    size = positions.new_tensor(maps.shape[-2:])
    limit = positions.new_tensor([side - 1.0001 for side in maps.shape[-2:]])
    grid = 2 * positions.clamp(min=0).minimum(limit) / (size - 1) - 1  # rows and columns in [-1, 1]
    return F.grid_sample(maps, grid.flip(2)[:, None], align_corners=True)[:, :, 0].mT


_MARGIN = 6  # minimum zero padding in pixels; the outermost histograms do not sum to 1

# In the authors' file ``autocolorize.caffemodel.h5``, ``data/LAYER/0`` is the weight of a layer, and
# ``data/LAYER/1`` is its bias. Some layers have other names in files of the authors' training network.
# Bilinear deconvolution kernels are not loaded.
UNUSED = "_full_reshaped/0$"
_PARTS = {"0": "weight", "1": "bias"}

NAMES: tuple[Pattern, ...] = (
    (r"data/(conv\d_\d|fc[67])/([01])$", lambda m: f"trunk.{m[1]}.conv.{_PARTS[m[2]]}"),
    (r"data/(?:h|colorize)_fc1/([01])$", lambda m: f"hidden.{_PARTS[m[1]]}"),
    (r"data/prediction_h4?/([01])$", lambda m: f"hue.{_PARTS[m[1]]}"),
    (r"data/prediction_c4?/([01])$", lambda m: f"chroma.{_PARTS[m[1]]}"),
)


class HypercolumnColorization(ColoringModel):
    """Colorization by hue and chroma histograms.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mean: Mean gray level, which is subtracted from the input: 0 for the published weights, 0.4488 in
            training.
        normalization: Whether BatchNorm follows every VGG-16 layer, as in training but not in the published
            network.
        dropout: Dropout probability after the layers fc6 and fc7 and after the hidden layer of the head.
        chroma: Chroma decoding rule: ``median``, ``expectation``, ``mode`` or ``q75`` (third quartile).
        hue: Hue decoding rule: ``expectation``, ``median``, ``mode`` or ``expectation-cf`` (lower chroma for
            uncertain hues).
        boost: Factor by which the saturation of the output is multiplied.
    """

    weight_settings = ("mean",)
    published_names, published_unused = NAMES, UNUSED
    network: HypercolumnNetwork

    def __init__(
        self,
        width: Width = 1.0,
        mean: Fraction = 0.0,
        normalization: bool = False,
        dropout: Fraction = 0.5,
        chroma: ChromaRule = "median",
        hue: HueRule = "expectation-cf",
        boost: Positive = 1.0,
    ) -> None:
        super().__init__(HypercolumnNetwork(width, mean, normalization=normalization, dropout=dropout))
        self.chroma, self.hue, self.boost = chroma, hue, boost
        if normalization:  # batch statistics lose accuracy in channels_last
            self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; guidance is ignored."""
        gray = lightness_to_rgb(lightness)[:, :1]
        height, width = gray.shape[-2:]
        # zeros around the image, at least `_MARGIN` pixels, up to a multiple of the stride
        more_rows, more_columns = (
            STRIDE * cells(side + 2 * _MARGIN, STRIDE) - side for side in (height, width)
        )
        left, top = more_columns // 2, more_rows // 2
        padded = F.pad(gray - self.network.mean, (left, more_columns - left, top, more_rows - top))
        histograms: Histograms = self.network(padded)
        rows, columns = slice(top, top + height), slice(left, left + width)
        hue, chroma = (enlarge(each, QUARTER)[:, :, rows, columns] for each in histograms)
        rgb = to_rgb(gray, hue, chroma, hue=self.hue, chroma=self.chroma, boost=self.boost)
        return AbPrediction(ab=rgb_to_lab(keep_gray(rgb, gray))[:, 1:])
