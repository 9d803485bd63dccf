"""PhotoWCT of Li et al. 2018 (section 3.1): four VGG-19 autoencoders.

Between encoder and decoder, the whitening and coloring transform matches the mean and covariance of content
features to style features. With label maps, the features of each label are transformed separately. Unpooling
to the positions of the pooling maxima preserves edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.style import covariance_of, power_of, transform_by_label

Labels = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Integer label maps of the content and style images, one ``(H, W)`` map per image."""


def recolor(content: Tensor, style: Tensor, labels: Labels | None = None) -> Tensor:
    """Transform content features so that mean and covariance match the style features.

    Args:
        content: Content features ``(B, C, h, w)``.
        style: Style features ``(B, C, h', w')``.
        labels: Label maps of content and style, or None to transform all positions together. Each label with
            sufficient area in content and style is transformed separately; other positions are unchanged. See
            `colorzoo.networks.style.usable_labels`.

    Returns:
        Transformed content features ``(B, C, h, w)``.
    """
    if labels is None:
        return whiten_and_color(content.flatten(2), style.flatten(2)).view(content.shape)
    images = zip(content, style, *labels, strict=True)
    return torch.stack(
        [transform_by_label(whiten_and_color, a, b, (ours, theirs)) for a, b, ours, theirs in images]
    )


def whiten_and_color(content: Tensor, style: Tensor) -> Tensor:
    """Transform content features so that mean and covariance match the style features.

    As in the published code, the identity matrix is added only to the content covariance.

    Args:
        content: Content features ``(B, C, N)`` at N positions.
        style: Style features ``(B, C, M)`` at M positions.
    """
    centered, _, covariance = covariance_of(content)
    _, mean, style_covariance = covariance_of(style)
    identity = torch.eye(content.shape[1], dtype=torch.float64, device=content.device)
    matrix = power_of(style_covariance.double(), 0.5) @ power_of(covariance.double() + identity, -0.5)
    return torch.baddbmm(mean, matrix.to(content.dtype), centered)


LEVELS = (1, 2, 3, 4)
SMALLEST = 16
"""Minimum height and width of an image in pixels, required by reflection padding."""

_POOL = "pool"
_STEPS = (
    *("conv1_1", "conv1_2", _POOL, "conv2_1", "conv2_2", _POOL, "conv3_1"),
    *("conv3_2", "conv3_3", "conv3_4", _POOL, "conv4_1"),
)
_BASES = {"1": 64, "2": 128, "3": 256, "4": 512}


class Pooled(NamedTuple):
    """Positions of the maxima in a max pooling layer, for unpooling.

    Attributes:
        positions: ``(B, C, h, w)`` int64, row-major index of each maximum in the map before pooling.
        size: Height and width of the map before pooling.
    """

    positions: Tensor
    size: tuple[int, int]


class Encoded(NamedTuple):
    """Output of an encoder.

    Attributes:
        hooks: Feature maps relu1_1, relu2_1 and so on, up to the encoder's resolution level.
        pools: Positions of the maxima in each pooling layer, in forward order.
    """

    hooks: tuple[Tensor, ...]
    pools: tuple[Pooled, ...]


class Encoder(nn.Module):
    """VGG-19 up to the first convolution of a resolution level, for RGB in [0, 1].

    Pooling drops the last row of a map with odd height and the last column of a map with odd width.

    Args:
        level: Resolution level from 1 (full size) to 4 (1/8 scale).
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, level: int, width: float = 1.0) -> None:
        super().__init__()
        self.steps = _steps_to(level)
        self.conv0 = nn.Conv2d(3, 3, 1)
        for name, in_channels, out_channels in _convolutions(self.steps, width):
            self.add_module(name, _reflect_conv(in_channels, out_channels))

    def forward(self, rgb: Tensor) -> Encoded:
        """Compute VGG-19 feature maps and pooling positions of RGB ``(B, 3, H, W)`` in [0, 1]."""
        x, hooks, pools = self.conv0(rgb), [], []
        for name in self.steps:
            if name == _POOL:
                size = (x.shape[2], x.shape[3])
                x, positions = F.max_pool2d(x, 2, return_indices=True)
                pools.append(Pooled(positions, size))
                continue
            x = F.relu(self.get_submodule(name)(x), inplace=True)
            if name.endswith("_1"):
                hooks.append(x)
        return Encoded(tuple(hooks), tuple(pools))


class Decoder(nn.Module):
    """Decoder that mirrors an `Encoder`, except for the 1 x 1 input layer.

    Args:
        level: Resolution level from 1 (full size) to 4 (1/8 scale).
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, level: int, width: float = 1.0) -> None:
        super().__init__()
        self.steps = tuple(reversed(_steps_to(level)))
        for name, in_channels, out_channels in _convolutions(_steps_to(level), width):
            self.add_module(name, _reflect_conv(out_channels, in_channels))

    def forward(self, features: Tensor, pools: tuple[Pooled, ...]) -> Tensor:
        """Decode features to unclipped RGB ``(B, 3, H, W)``.

        Args:
            features: Transformed features at the decoder's resolution level, ``(B, C, h, w)``.
            pools: `Encoded.pools` of the image from which the features were computed.
        """
        x, left = features, list(pools)
        for name in self.steps:
            if name == _POOL:
                pooled = left.pop()
                x = _unpool(x, pooled)
                continue
            x = self.get_submodule(name)(x)
            x = x if name == self.steps[-1] else F.relu(x, inplace=True)
        return x


class PhotoWCT(nn.Module):
    """Four autoencoders from coarse to fine, each applied to the previous output image.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(level, width) for level in LEVELS)
        self.decoders = nn.ModuleList(Decoder(level, width) for level in LEVELS)
        initialize(self, None)
        self.encoders.requires_grad_(False)

    def forward(self, content: Tensor, style: Tensor, labels: Labels | None = None) -> list[Tensor]:
        """Transfer style colors to content images at four resolution levels, one after another.

        Args:
            content: ``(B, 3, H, W)`` in [0, 1]; H and W are at least 16.
            style: ``(B, 3, H', W')`` in [0, 1]; H' and W' are at least 16.
            labels: Label maps of content and style, or None; see `recolor`.

        Returns:
            Unclipped images ``(B, 3, H, W)`` after levels 4, 3, 2 and 1. The last image is the final output.
        """
        hooks, images = self.encoders[-1](style).hooks, [content]
        for level in reversed(LEVELS):
            encoded = self.encoders[level - 1](images[-1])
            moved = recolor(encoded.hooks[-1], hooks[level - 1], labels)
            images.append(self.decoders[level - 1](moved, encoded.pools))
        return images[1:]


def _steps_to(level: int) -> tuple[str, ...]:
    return _STEPS[: _STEPS.index(f"conv{level}_1") + 1]


def _convolutions(steps: tuple[str, ...], width: float) -> list[tuple[str, int, int]]:
    """Return the name, input channels and output channels of each encoder convolution."""
    convolutions, in_channels = [], 3
    for name in steps:
        if name != _POOL:
            out_channels = scaled_width(_BASES[name[4]], width)
            convolutions.append((name, in_channels, out_channels))
            in_channels = out_channels
    return convolutions


def _reflect_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")


def _unpool(maps: Tensor, pooled: Pooled) -> Tensor:
    """Unpool a map: write each value to the position of its maximum, and 0 elsewhere.

    This function replaces ``F.max_unpool2d``, which is not deterministic.
    """
    height, width = pooled.size
    whole = maps.new_zeros(*maps.shape[:2], height * width)
    filled = whole.scatter_(2, pooled.positions.flatten(2), maps.flatten(2))
    return filled.view(*maps.shape[:2], height, width)
