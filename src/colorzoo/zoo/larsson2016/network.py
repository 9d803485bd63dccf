"""Network of Larsson et al. 2016: VGG-16 on gray, hypercolumns, histograms of hue and chroma."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.running_norm import RunningNorm
from colorzoo.zoo.larsson2016.colors import BINS

STRIDE = 32
"""Sides of the network's input are multiples of this many pixels."""

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
"""Layers and their channels; every block but the first begins at half the size of the one before it."""

SCALES = (1, *(2**index for index, block in enumerate(BLOCKS) for _ in block))
"""Strides of the maps of a hypercolumn: the data and each layer."""

_HIDDEN = 1024
_KERNELS = {"fc6": 7, "fc7": 1}


class Histograms(NamedTuple):
    """Distributions over 32 bins.

    Attributes:
        hue: ``(B, 32, h, w)``.
        chroma: ``(B, 32, h, w)``.
    """

    hue: Tensor
    chroma: Tensor


class HypercolumnNetwork(nn.Module):
    """VGG-16 with convolutions for its linear layers, and a head over the values of all layers at a place.

    Args:
        width: Multiplier of every channel count but that of the bins; 1.0 is the published network.
        mean: Gray level that is subtracted.
        normalization: Normalize after every layer of the trunk, as in training. The released network has
            these layers folded into the others.
        dropout: Share of values dropped after the last two layers of the trunk and in the head.
    """

    def __init__(
        self,
        width: float,
        *,
        mean: float = 0.0,
        normalization: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.mean, self.dropout = mean, dropout
        self.trunk = nn.ModuleDict()
        fan_in, self.channels = 1, [1]
        for name, base in (layer for block in BLOCKS for layer in block):
            fan_out, kernel = max(1, round(base * width)), _KERNELS.get(name, 3)
            layers = OrderedDict[str, nn.Module](conv=nn.Conv2d(fan_in, fan_out, kernel, padding=kernel // 2))
            if normalization:
                layers["norm"] = RunningNorm(fan_out)
            layers["relu"] = nn.ReLU(inplace=True)
            if name in _KERNELS:
                layers["dropout"] = nn.Dropout(dropout)
            self.trunk[name] = nn.Sequential(layers)
            self.channels.append(fan_out)
            fan_in = fan_out
        hidden = max(1, round(_HIDDEN * width))
        self.hidden = nn.Conv2d(sum(self.channels), hidden, 1)
        self.hue, self.chroma = nn.Conv2d(hidden, BINS, 1), nn.Conv2d(hidden, BINS, 1)
        self.apply(_initialize)
        nn.init.normal_(self.hidden.weight, std=1e-4)

    def forward(self, gray: Tensor) -> Histograms:
        """Return histograms at a quarter of the size.

        Args:
            gray: ``(B, 1, H, W)`` without its mean; sides are multiples of 32.
        """
        hidden = self.hidden_map(self.features(gray))
        return Histograms(self.hue(hidden).float().softmax(1), self.chroma(hidden).float().softmax(1))

    def features(self, gray: Tensor) -> list[Tensor]:
        """Return the maps of a hypercolumn, at strides `SCALES`: the input and all layers."""
        maps, x = [gray], gray
        for index, block in enumerate(BLOCKS):
            if index:
                x = F.max_pool2d(x, 2)
            for name, _ in block:
                x = self.trunk[name](x)
                maps.append(x)
        return maps

    def hidden_map(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the head's first layer ``(B, 1024w, H/4, W/4)`` over dense hypercolumns.

        The layer is linear, so that coarse maps go through it before they are enlarged, and the 12,417
        channels of the hypercolumns never exist.
        """
        total, start = None, 0
        for scale in (QUARTER, *sorted({each for each in SCALES if each > QUARTER})):
            chosen = [at_quarter(m, s) for m, s in zip(maps, SCALES, strict=True) if max(s, QUARTER) == scale]
            stacked = torch.cat(chosen, dim=1)
            weight = self.hidden.weight[:, start : start + stacked.shape[1]]
            start += stacked.shape[1]
            bias = self.hidden.bias if total is None else None
            part = enlarge(F.conv2d(stacked, weight, bias), scale // QUARTER)
            total = part if total is None else total + part
        return cast(Tensor, total).relu()

    def logits_at(self, gray: Tensor, places: Tensor) -> Histograms:
        """Return the logits ``(B P, 32)`` at some places, for training.

        Args:
            gray: As of `forward`.
            places: ``(B, P, 2)``, row and column in pixels.
        """
        return self.logits_of(columns(self.features(gray), places, SCALES, [(s - 1) / 2 for s in SCALES]))

    def logits_of(self, column: Tensor) -> Histograms:
        """Return the logits ``(N, 32)`` of hypercolumns ``(N, C)``."""
        hidden = F.linear(column, self.hidden.weight.flatten(1), self.hidden.bias).relu()
        hidden = F.dropout(hidden, self.dropout, self.training)[:, :, None, None]
        return Histograms(self.hue(hidden).float().flatten(1), self.chroma(hidden).float().flatten(1))


def at_quarter(maps: Tensor, scale: int) -> Tensor:
    """Average maps of a stride below 4 down to it; others stay."""
    return F.avg_pool2d(maps, QUARTER // scale) if scale < QUARTER else maps


def enlarge(maps: Tensor, factor: int) -> Tensor:
    """Enlarge maps by bilinear interpolation with zeros around them, as Caffe's deconvolution does.

    Args:
        maps: ``(B, C, H, W)``.
        factor: A whole number.

    Returns:
        ``(B, C, factor H, factor W)``; the outer ``factor / 2`` rows and columns are darker.
    """
    large = F.interpolate(F.pad(maps, (1, 1, 1, 1)), scale_factor=factor, mode="bilinear")
    return large[:, :, factor:-factor, factor:-factor]


def columns(
    maps: Sequence[Tensor], places: Tensor, scales: Sequence[int], offsets: Sequence[float]
) -> Tensor:
    """Return the hypercolumns at some places, interpolated between the values of each map.

    Args:
        maps: ``(B, C, H / scale, W / scale)`` each.
        places: ``(B, P, 2)``, row and column in pixels; those outside are moved to the border.
        scales: Stride of each map.
        offsets: Distance of the first value of each map from the first pixel.

    Returns:
        ``(B P, sum of C)``.
    """
    parts = [
        sample(each, (places - offset) / scale)
        for each, scale, offset in zip(maps, scales, offsets, strict=True)
    ]
    return torch.cat(parts, dim=2).flatten(0, 1)


def sample(maps: Tensor, places: Tensor) -> Tensor:
    """Return the values ``(B, P, C)`` of maps ``(B, C, H, W)`` at places ``(B, P, 2)`` in their pixels."""
    most = places.new_tensor([side - 1.0001 for side in maps.shape[-2:]])
    places = places.clamp(min=0).minimum(most)
    first = places.long()
    share = places - first
    batch = torch.arange(len(maps), device=maps.device)[:, None]
    total = maps.new_zeros(())
    for down in (0, 1):
        for right in (0, 1):
            row, column = first[..., 0] + down, first[..., 1] + right
            near = (share[..., 0] if down else 1 - share[..., 0]) * (
                share[..., 1] if right else 1 - share[..., 1]
            )
            total = total + near[..., None] * maps[batch, :, row, column]
    return total


def _initialize(layer: nn.Module) -> None:
    """Draw weights as Caffe's "xavier" does."""
    if isinstance(layer, nn.Conv2d):
        reach = (3 / layer.weight[0].numel()) ** 0.5
        nn.init.uniform_(layer.weight, -reach, reach)
        nn.init.zeros_(cast(Tensor, layer.bias))
