"""Transfer sub-net of Xu et al. 2020: a VGG-19 encoder and a decoder with skips.

The color transfer changes the feature maps of ten layers. At each of these layers, the networks call a
function of the type `Adapt` and replace the feature map by the result. Such a function records the feature
statistics of a reference, or matches the statistics of an image to a reference. Formulas follow section 3.1
of the paper, AdaIN (Huang and Belongie 2017) and WCT (Li et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.style import by_label, covariance_of, power_of

STRIDE, SMALLEST = 8, 16
"""Divisor and minimum of image sides in pixels; reflection padding requires the minimum."""

PLACES = (
    *("encoder1", "encoder2", "encoder3", "encoder4"),
    *("skip1", "skip2", "skip3"),
    *("decoder3", "decoder2", "decoder1"),
)
"""Names of the ten matched layers in published order.

A name without its number is the name of a set in `PLACE_SETS`.
"""

PLACE_SETS = ("encoder", "skip", "decoder")
BOTTOM = "bottom"
"""Name of the decoder input.

Its statistics are matched if ``decoder`` is selected and ``encoder`` is not selected.
"""

LEVELS = (1, 2, 3)
"""Resolution levels of encoder and decoder: full, half and quarter size."""

_BASES = (64, 128, 256, 512)
_BEFORE_POOL = {1: ("conv1_2",), 2: ("conv2_2",), 3: ("conv3_2", "conv3_3", "conv3_4")}
_AFTER_JOIN = {3: ("conv3_4_2", "conv3_3", "conv3_2"), 2: ("conv2_2_2",), 1: ("conv1_2_2",)}
Adapt = Callable[[str, Tensor], Tensor]
"""Function that maps a layer name and a feature map to the new feature map of the layer."""

EPSILON = 1e-5

TransformName = Literal["adain", "wct"]
Transform = Callable[[Tensor, Tensor, float], Tensor]
"""Function that maps a content map, a style map and alpha to the transformed content map."""


class Moments(NamedTuple):
    """Feature statistics: mean and standard deviation of each channel.

    Attributes:
        mean: Mean ``(B, C, 1, 1)`` float32.
        std: Square root ``(B, C, 1, 1)`` float32 of the unbiased variance plus 1e-5.
    """

    mean: Tensor
    std: Tensor


def moments(maps: Tensor) -> Moments:
    """Return the mean and standard deviation of each channel of maps ``(B, C, H, W)``.

    The maps must have at least two pixels.
    """
    variance, mean = torch.var_mean(maps.float(), dim=(2, 3), keepdim=True)
    return Moments(mean, (variance + EPSILON).sqrt())


def match_moments(content: Tensor, style: Moments, alpha: Tensor | float = 1.0) -> Tensor:
    """Shift and scale content maps to the mean and standard deviation of style maps.

    Args:
        content: Content maps ``(B, C, H, W)``.
        style: Statistics of the ``B`` style maps.
        alpha: Interpolation weight as a number or a tensor ``(B, 1, 1, 1)``: 0 keeps the statistics of the
            content, 1 uses the statistics of the style.
    """
    own = moments(content)
    scale = alpha * style.std / own.std + (1 - alpha)
    middle = alpha * style.mean + (1 - alpha) * own.mean
    if content.dtype != torch.float32:  # a single operation in the precision of the map
        shift = middle - own.mean * scale
        return torch.addcmul(shift.to(content.dtype), content, scale.to(content.dtype))
    # center first: a large scale of a nearly constant map would amplify rounding errors
    return torch.addcmul(middle, content - own.mean, scale)


def adain(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """Apply adaptive instance normalization to a content map ``(B, C, H, W)``.

    Args:
        content: Content map ``(B, C, H, W)``.
        style: Style map ``(B, C, H', W')``.
        alpha: Interpolation weight between the content (0) and the full transform (1).
    """
    return match_moments(content, moments(style), alpha)


def wct(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """Apply the whitening and coloring transform to a content map ``(B, C, H, W)``.

    The identity matrix is added to both covariance matrices. The result is clamped to the range of the
    content map.

    Args:
        content: Content map ``(B, C, H, W)``.
        style: Style map ``(B, C, H', W')``.
        alpha: Interpolation weight between the content (0) and the full transform (1).
    """
    flat = content.flatten(2).float()
    centered, _, covariance = covariance_of(flat)
    _, style_mean, wanted = covariance_of(style.flatten(2).float())
    identity = torch.eye(flat.shape[1], device=flat.device)
    matrix = power_of(wanted + identity, 0.5) @ power_of(covariance + identity, -0.5)
    moved = matrix @ centered + style_mean
    moved = moved.clamp(flat.amin((1, 2), keepdim=True), flat.amax((1, 2), keepdim=True))
    blended = alpha * moved + (1 - alpha) * flat
    return blended.view(content.shape).to(content.dtype)


TRANSFORMS: Mapping[TransformName, Transform] = {"adain": adain, "wct": wct}


def inside_labels(transform: Transform, labels: tuple[Tensor, Tensor]) -> Transform:
    """Return a transform that treats each label of maps ``(1, C, H, W)`` separately.

    See `by_label`.
    """

    def apply(content: Tensor, style: Tensor, alpha: float) -> Tensor:
        def of_places(ours: Tensor, theirs: Tensor) -> Tensor:
            return transform(ours[..., None], theirs[..., None], alpha)[..., 0]

        return by_label(of_places, content[0], style[0], labels, fewest=2)[None]

    return apply


class EncoderMaps(NamedTuple):
    """Output of the encoder.

    Attributes:
        bottom: Output of relu4_1, ``(B, C, H/8, W/8)``.
        pools: Outputs of pool1 to pool3, after replacement by the function ``adapt``.
        maps: Feature maps before pooling, from conv1_2, conv2_2 and conv3_4.
    """

    bottom: Tensor
    pools: tuple[Tensor, ...]
    maps: tuple[Tensor, ...]


class ReflectConv(nn.Module):
    """A 3 x 3 convolution of stride 1 with reflection padding.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)`` without changing its size; sides must be at least 2."""
        with torch.autocast(x.device.type, enabled=False):  # autocast would pad in float32
            padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return self.conv(padded)


class Encoder(nn.Module):
    """VGG-19 up to relu4_1 with average pooling and reflection padding, for RGB in [0, 1].

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.conv0: nn.Conv2d = nn.Conv2d(3, 3, 1)
        self.conv1_1, self.conv1_2 = ReflectConv(3, c1), ReflectConv(c1, c1)
        self.conv2_1, self.conv2_2 = ReflectConv(c1, c2), ReflectConv(c2, c2)
        self.conv3_1, self.conv3_2 = ReflectConv(c2, c3), ReflectConv(c3, c3)
        self.conv3_3, self.conv3_4 = ReflectConv(c3, c3), ReflectConv(c3, c3)
        self.conv4_1 = ReflectConv(c3, c4)

    @torch.no_grad()
    def normalize_imagenet(self) -> None:
        """Set the first layer to ImageNet normalization."""
        deviation = torch.tensor(IMAGENET_DEVIATION)
        self.conv0.weight.copy_(torch.diag(1 / deviation)[:, :, None, None])
        assert self.conv0.bias is not None
        self.conv0.bias.copy_(-torch.tensor(IMAGENET_MEAN) / deviation)

    def forward(self, rgb: Tensor, adapt: Adapt) -> EncoderMaps:
        """Encode images; the map that ``adapt`` returns is the input of the next layer.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            adapt: Function that is called with each layer name and feature map. Its result replaces the
                feature map.
        """
        x = adapt("encoder1", F.relu(self.conv1_1(self.conv0(rgb))))
        pools, maps = [], []
        for level in LEVELS:
            for name in _BEFORE_POOL[level]:
                x = F.relu(self.get_submodule(name)(x))
            maps.append(x)
            pools.append(F.avg_pool2d(x, 2))
            x = adapt(f"encoder{level + 1}", F.relu(self.get_submodule(f"conv{level + 1}_1")(pools[-1])))
        adapted = tuple(adapt(f"skip{level}", pool) for level, pool in enumerate(pools, start=1))
        return EncoderMaps(x, adapted, tuple(maps))


class Decoder(nn.Module):
    """Decoder with three levels; each level upsamples and concatenates two encoder maps.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.conv4_1, self.conv3_4_2 = ReflectConv(c4, c3), ReflectConv(3 * c3, c3)
        self.conv3_3, self.conv3_2 = ReflectConv(c3, c3), ReflectConv(c3, c3)
        self.conv3_1, self.conv2_2_2 = ReflectConv(c3, c2), ReflectConv(3 * c2, c2)
        self.conv2_1, self.conv1_2_2 = ReflectConv(c2, c1), ReflectConv(3 * c1, c1)
        self.conv1_1 = ReflectConv(c1, 3)

    def forward(self, encoded: EncoderMaps, adapt: Adapt) -> Tensor:
        """Return unclipped RGB ``(B, 3, H, W)``; see `body` for the arguments."""
        return self.conv1_1(self.body(encoded, adapt))

    def body(self, encoded: EncoderMaps, adapt: Adapt) -> Tensor:
        """Return the features before the last convolution, ``(B, 64 * width, H, W)``.

        Args:
            encoded: Output of the encoder.
            adapt: Function that is called with each layer name and feature map. Its result replaces the
                feature map.
        """
        x = adapt(BOTTOM, encoded.bottom)
        for level in LEVELS[::-1]:
            x = _join(F.relu(self.get_submodule(f"conv{level + 1}_1")(x)), encoded, level - 1)
            for name in _AFTER_JOIN[level]:
                x = F.relu(self.get_submodule(name)(x))
            x = adapt(f"decoder{level}", x)
        return x


def _join(x: Tensor, encoded: EncoderMaps, level: int) -> Tensor:
    """Concatenate the pooled encoder map, upsample, and concatenate the unpooled encoder map."""
    low = torch.cat([x, encoded.pools[level].to(x.dtype)], dim=1)
    high = F.interpolate(low, scale_factor=2)
    return torch.cat([high, encoded.maps[level].to(x.dtype)], dim=1)


class TransferNetwork(nn.Module):
    """Color transfer from a reference by matching feature statistics at ten layers.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(width), Decoder(width)
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.channels = dict(zip(PLACES, (c1, c2, c3, c4, c1, c2, c3, c3, c2, c1), strict=True))

    def forward(self, rgb: Tensor, adapt: Adapt | None = None) -> Tensor:
        """Return unclipped RGB ``(B, 3, H, W)`` after the transfer.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], any size.
            adapt: Function that is called with each layer name and feature map. Its result replaces the
                feature map. None reconstructs the image without a transfer.
        """
        height, width = rgb.shape[-2:]
        adapt = adapt or keep
        output: Tensor = self.decoder(self.encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), adapt), adapt)
        return output[:, :, :height, :width].float()

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the feature statistics ``(B, 2, C)`` float32 of references at ten layers.

        C is the total number of channels, 1856 at width 1.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], any size.
        """
        statistics: dict[str, Moments] = {}

        def record(place: str, maps: Tensor) -> Tensor:
            if place != BOTTOM:
                statistics[place] = moments(maps)
            return maps

        self.decoder.body(self.encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), record), record)
        return self.join_embedding(statistics)

    def style_maps(self, rgb: Tensor) -> dict[str, Tensor]:
        """Return the feature maps of references ``(B, 3, H, W)``, keyed by layer name."""
        statistics: dict[str, Tensor] = {}

        def record(place: str, maps: Tensor) -> Tensor:
            statistics[place] = maps
            return maps

        self.decoder.body(self.encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), record), record)
        return statistics

    def join_embedding(self, statistics: Mapping[str, Moments]) -> Tensor:
        """Concatenate the feature statistics of all layers to ``(B, 2, C)``."""
        parts = [
            torch.cat([statistics[place].mean, statistics[place].std], dim=3).squeeze(2) for place in PLACES
        ]
        return torch.cat(parts, dim=1).transpose(1, 2)

    def split_embedding(self, embedding: Tensor) -> dict[str, Moments]:
        """Split an embedding ``(B, 2, C)`` into the feature statistics of each layer."""
        parts = torch.split(embedding, [self.channels[place] for place in PLACES], dim=2)
        return {
            place: Moments(part[:, 0, :, None, None], part[:, 1, :, None, None])
            for place, part in zip(PLACES, parts, strict=True)
        }


def keep(place: str, maps: Tensor) -> Tensor:
    """Return a feature map unchanged (the `Adapt` function without a transfer)."""
    del place
    return maps


def match_embedding(targets: Mapping[str, Moments], sets: tuple[str, ...], alpha: Tensor | float) -> Adapt:
    """Return a function that matches feature statistics at the layers of the named sets.

    Args:
        targets: Feature statistics of each layer; see `TransferNetwork.split_embedding`.
        sets: Names of layer sets in `PLACE_SETS`. Figure 5 of the paper compares the sets.
        alpha: Interpolation weight between the statistics of the content (0) and of the style (1).
    """

    def adapt(place: str, maps: Tensor) -> Tensor:
        known = place_of(place, sets)
        return maps if known is None else match_moments(maps, targets[known], alpha)

    return adapt


def place_of(place: str, sets: tuple[str, ...]) -> str | None:
    """Return the layer whose reference statistics a feature map is matched to.

    The result is None if the feature map is not matched, because its layer is not in ``sets``.
    """
    if place == BOTTOM:
        return None if "encoder" in sets or "decoder" not in sets else "encoder4"
    return place if place.rstrip("1234") in sets else None
