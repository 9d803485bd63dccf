"""Transfer sub-net of Xu et al. 2020: VGG-19 encoder and decoder with skip connections.

At ten layers (`PLACES`), the networks call a function of the type `Adapt` and replace the feature map with
the result. Such a function records the feature statistics of a reference, or matches an image to these
statistics. Formulas follow section 3.1 of the paper, AdaIN (Huang and Belongie 2017) and WCT (Li et al.
2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.style import covariance_of, power_of, transform_by_label

STRIDE, SMALLEST = 8, 16
"""Divisor and minimum of image height and width in pixels."""

PLACES = (
    *("encoder1", "encoder2", "encoder3", "encoder4"),
    *("skip1", "skip2", "skip3"),
    *("decoder3", "decoder2", "decoder1"),
)
"""Names of the ten matched layers, each a set in `PLACE_SETS` with a number."""

PLACE_SETS = ("encoder", "skip", "decoder")
BOTTOM = "bottom"
"""Name of the decoder input, which is matched if ``decoder`` but not ``encoder`` is selected."""

_BASES = (64, 128, 256, 512)
Adapt = Callable[[str, Tensor], Tensor]
"""Function that maps a layer name and a feature map to a new feature map."""

EPSILON = 1e-5

TransformName = Literal["adain", "wct"]
Transform = Callable[[Tensor, Tensor, float], Tensor]
"""Function that maps a content map, a style map and alpha to the transformed content map."""


class Moments(NamedTuple):
    """Feature statistics: channel means and standard deviations.

    Attributes:
        mean: Means ``(B, C, 1, 1)``, float32.
        std: Square roots of the unbiased variances plus 1e-5, ``(B, C, 1, 1)``, float32.
    """

    mean: Tensor
    std: Tensor


def moments(maps: Tensor) -> Moments:
    """Return channel means and standard deviations of maps ``(B, C, H, W)``.

    The maps must have at least two pixels.
    """
    variance, mean = torch.var_mean(maps.float(), dim=(2, 3), keepdim=True)
    return Moments(mean, (variance + EPSILON).sqrt())


def match_moments(content: Tensor, style: Moments, alpha: Tensor | float = 1.0) -> Tensor:
    """Match content maps to channel means and standard deviations of style maps.

    Args:
        content: Content maps ``(B, C, H, W)``.
        style: Statistics of the style maps.
        alpha: Interpolation weight between content (0) and style (1), a number or ``(B, 1, 1, 1)``.
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
    """Apply adaptive instance normalization and return the new content map.

    Args:
        content: Content map ``(B, C, H, W)``.
        style: Style map ``(B, C, H', W')``.
        alpha: Interpolation weight between the content (0) and the full transform (1).
    """
    return match_moments(content, moments(style), alpha)


def wct(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """Apply the whitening and coloring transform (Li et al. 2017) and return the new content map.

    The identity matrix is added to the covariance matrices, and the result is clamped to the content map's
    range.

    Args:
        content: Content map ``(B, C, H, W)``.
        style: Style map ``(B, C, H', W')``.
        alpha: Interpolation weight between the content (0) and the full transform (1).
    """
    flat = content.flatten(2).float()  # (B, C, H W)
    centered, _, covariance = covariance_of(flat)
    _, style_mean, style_covariance = covariance_of(style.flatten(2).float())
    identity = torch.eye(flat.shape[1], device=flat.device)
    whitening = power_of(covariance + identity, -0.5)
    coloring = power_of(style_covariance + identity, 0.5)
    transformed = (coloring @ whitening) @ centered + style_mean
    transformed = transformed.clamp(flat.amin((1, 2), keepdim=True), flat.amax((1, 2), keepdim=True))
    blended = alpha * transformed + (1 - alpha) * flat
    return blended.view(content.shape).to(content.dtype)


TRANSFORMS: Mapping[TransformName, Transform] = {"adain": adain, "wct": wct}


def inside_labels(transform: Transform, labels: tuple[Tensor, Tensor]) -> Transform:
    """Return a function that applies a transform to each label separately; see `transform_by_label`.

    Args:
        transform: Function such as `adain` or `wct`.
        labels: Integer label maps ``(H, W)`` of the content and ``(H', W')`` of the style.
    """

    def apply(content: Tensor, style: Tensor, alpha: float) -> Tensor:
        def of_places(ours: Tensor, theirs: Tensor) -> Tensor:
            return transform(ours[..., None], theirs[..., None], alpha)[..., 0]

        return transform_by_label(of_places, content[0], style[0], labels, fewest=2)[None]

    return apply


def pad_labels(labels: Tensor) -> Tensor:
    """Pad an integer label map ``(H, W)`` in the same way as `TransferNetwork` pads images."""
    padded = pad_to_multiple(labels[None, None].double(), STRIDE, SMALLEST)  # integers cannot be padded
    return padded[0, 0].to(labels.dtype)


class EncoderMaps(NamedTuple):
    """Output of the encoder.

    Attributes:
        bottom: Output of relu4_1 after the `Adapt` function, ``(B, C, H/8, W/8)``.
        pools: Outputs of pool1 to pool3 after the `Adapt` function, at 1/2, 1/4 and 1/8 scale.
        maps: Outputs of relu1_2, relu2_2 and relu3_4, before pooling.
    """

    bottom: Tensor
    pools: tuple[Tensor, ...]
    maps: tuple[Tensor, ...]


class ReflectConv(nn.Module):
    """3 x 3 convolution of stride 1 with reflection padding.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve maps ``(B, C, H, W)``; H and W are at least 2."""
        with torch.autocast(x.device.type, enabled=False):  # autocast would pad in float32
            padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return self.conv(padded)


class Encoder(nn.Module):
    """VGG-19 up to relu4_1 with average pooling and reflection padding.

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
        """Encode images and return the feature maps that the decoder requires.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            adapt: Function that is called at each matched layer and returns the feature map to use; see
                `Adapt`.
        """
        relu1_1 = adapt("encoder1", F.relu(self.conv1_1(self.conv0(rgb))))
        relu1_2 = F.relu(self.conv1_2(relu1_1))
        pool1 = F.avg_pool2d(relu1_2, 2)
        relu2_1 = adapt("encoder2", F.relu(self.conv2_1(pool1)))
        relu2_2 = F.relu(self.conv2_2(relu2_1))
        pool2 = F.avg_pool2d(relu2_2, 2)
        relu3_1 = adapt("encoder3", F.relu(self.conv3_1(pool2)))
        relu3_3 = F.relu(self.conv3_3(F.relu(self.conv3_2(relu3_1))))
        relu3_4 = F.relu(self.conv3_4(relu3_3))
        pool3 = F.avg_pool2d(relu3_4, 2)
        relu4_1 = adapt("encoder4", F.relu(self.conv4_1(pool3)))
        pools = (adapt("skip1", pool1), adapt("skip2", pool2), adapt("skip3", pool3))
        return EncoderMaps(relu4_1, pools, (relu1_2, relu2_2, relu3_4))


class Decoder(nn.Module):
    """Decoder with three levels, each with two skip connections.

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
        """Return the features ``(B, 64 * width, H, W)`` before the last convolution.

        Args:
            encoded: Encoder output.
            adapt: Function that is called at each matched layer and returns the feature map to use; see
                `Adapt`.
        """
        pool1, pool2, pool3 = encoded.pools
        relu1_2, relu2_2, relu3_4 = encoded.maps
        x = F.relu(self.conv4_1(adapt(BOTTOM, encoded.bottom)))
        x = F.relu(self.conv3_4_2(_join(x, pool3, relu3_4)))
        x = F.relu(self.conv3_2(F.relu(self.conv3_3(x))))
        x = F.relu(self.conv3_1(adapt("decoder3", x)))
        x = F.relu(self.conv2_2_2(_join(x, pool2, relu2_2)))
        x = F.relu(self.conv2_1(adapt("decoder2", x)))
        x = F.relu(self.conv1_2_2(_join(x, pool1, relu1_2)))
        return adapt("decoder1", x)


def _join(x: Tensor, pooled: Tensor, unpooled: Tensor) -> Tensor:
    """Concatenate the pooled encoder map, upsample, and concatenate the unpooled encoder map."""
    upsampled = F.interpolate(torch.cat([x, pooled.to(x.dtype)], dim=1), scale_factor=2)
    return torch.cat([upsampled, unpooled.to(x.dtype)], dim=1)


def keep(place: str, maps: Tensor) -> Tensor:
    """Return a feature map unchanged; as an `Adapt` function, this disables the transfer."""
    del place
    return maps


class TransferNetwork(nn.Module):
    """Color transfer by matching feature statistics at the ten layers in `PLACES`.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(width), Decoder(width)
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.channels = dict(zip(PLACES, (c1, c2, c3, c4, c1, c2, c3, c3, c2, c1), strict=True))

    def forward(self, rgb: Tensor, adapt: Adapt = keep) -> Tensor:
        """Transfer colors and return unclipped RGB ``(B, 3, H, W)``.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            adapt: Function that is called at each matched layer and returns the feature map to use; see
                `Adapt`. The default reconstructs the image.
        """
        height, width = rgb.shape[-2:]
        output: Tensor = self.decoder(self.encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), adapt), adapt)
        return output[:, :, :height, :width].float()

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the feature statistics ``(B, 2, C)`` of references.

        C is the total channel count of the ten layers in `PLACES`, 1856 at width 1.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        maps = self.style_maps(rgb)
        parts = [torch.cat(moments(maps[place]), dim=3).squeeze(2) for place in PLACES]
        return torch.cat(parts, dim=1).transpose(1, 2)

    def style_maps(self, rgb: Tensor) -> dict[str, Tensor]:
        """Return a dict that maps layer names to feature maps of references.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].
        """
        maps_by_layer: dict[str, Tensor] = {}

        def store(layer: str, maps: Tensor) -> Tensor:
            maps_by_layer[layer] = maps
            return maps

        self.decoder.body(self.encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), store), store)
        return maps_by_layer

    def split_embedding(self, embedding: Tensor) -> dict[str, Moments]:
        """Split an embedding ``(B, 2, C)`` into a dict of feature statistics by layer name."""
        parts = torch.split(embedding, [self.channels[place] for place in PLACES], dim=2)
        return {
            place: Moments(part[:, 0, :, None, None], part[:, 1, :, None, None])
            for place, part in zip(PLACES, parts, strict=True)
        }


def match_embedding(targets: Mapping[str, Moments], sets: tuple[str, ...], alpha: Tensor | float) -> Adapt:
    """Return a function that matches feature statistics at selected layers; see `Adapt`.

    Args:
        targets: Feature statistics by layer name; see `TransferNetwork.split_embedding`.
        sets: Sets of layers to match, from `PLACE_SETS`; see figure 5 of the paper.
        alpha: Interpolation weight between content (0) and style (1).
    """

    def adapt(place: str, maps: Tensor) -> Tensor:
        known = place_of(place, sets)
        return maps if known is None else match_moments(maps, targets[known], alpha)

    return adapt


def place_of(place: str, sets: tuple[str, ...]) -> str | None:
    """Return the name of the layer that provides the target statistics, or None.

    None means that the feature map of the layer is not changed.

    Args:
        place: Name of the layer to match, from `PLACES` or `BOTTOM`.
        sets: Sets of layers to match, from `PLACE_SETS`.
    """
    if place == BOTTOM:
        return None if "encoder" in sets or "decoder" not in sets else "encoder4"
    return place if place.rstrip("1234") in sets else None
