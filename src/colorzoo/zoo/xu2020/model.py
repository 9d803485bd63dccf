"""Stylization-Based Architecture for Fast Deep Exemplar Colorization (CVPR 2020).

The transfer sub-net of Xu et al. matches the feature statistics of an automatically colorized image to the
statistics of a reference. Samples of the resulting colors are hints for the colorization sub-net.
https://openaccess.thecvf.com (CVPR 2020, pages 9363-9372)

At ten layers (`PLACES`), the transfer sub-net calls a function of the type `Adapt` and replaces the feature
map with the result. Such a function records the feature statistics of a reference, or matches an image to
these statistics. Formulas follow section 3.1 of the paper, AdaIN (Huang and Belongie 2017) and WCT (Li et al.
2017).

User points and the arguments ``backbone`` and ``transfer_error`` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import ExemplarModel, StyleModel
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.bins import grid_centers
from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.hint_unet import (
    HINT_UNET_NAMES,
    HintUNet,
    PointNetwork,
    initialize,
    point_network,
    points_of,
)
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.shared_weights import borrow
from colorzoo.networks.style import VGG19_LAYERS, covariance_of, power_of, transform_by_label
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Width, check_choice

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

GRID = 8
"""Number of hint grid cells along each image side; the paper does not define the hint selection."""

MASK_CENTER = 0.0
_PATCH = 5 / 256  # side of a patch as a fraction of the shorter image side
_CELL = 4  # side of a logit cell in pixels

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


class ExemplarNetwork(nn.Module):
    """Transfer sub-net and colorization sub-net.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the published network.
        places: Sets of layers at which feature statistics are matched; see `StylizationColorization`.
        backbone: Name of a Local Hints model that provides the colorization sub-net; see
            `StylizationColorization`.
    """

    def __init__(self, width: float, places: tuple[str, ...], backbone: str | None) -> None:
        super().__init__()
        if backbone is None:
            color = PointNetwork(HintUNet(width=width), mask_center=MASK_CENTER)
            initialize(color, None)
        else:  # not in the paper
            color = point_network(create_backbone(backbone, "backbone"), "--model.backbone")
            borrow(color, color.state_dict())
        self.places = places
        self.transfer = TransferNetwork(width)
        self.color = color

    def adapt(self, embedding: Tensor, alpha: Tensor | float = 1.0) -> Adapt:
        """Return a function that matches feature maps to reference statistics; see `Adapt`.

        The function changes only the layers of the setting ``places``.

        Args:
            embedding: Reference feature statistics ``(B, 2, C)``.
            alpha: Strength of the transfer in [0, 1].
        """
        return match_embedding(self.transfer.split_embedding(embedding), self.places, alpha)

    def adapt_maps(self, style: Tensor, transform: Transform, alpha: float = 1.0) -> Adapt:
        """Return a function that transforms feature maps with a style image; see `Adapt`.

        The function changes only the layers of the setting ``places``.

        Args:
            style: RGB ``(B, 3, H, W)`` in [0, 1].
            transform: Function that transforms a feature map, such as `adain` or `wct`.
            alpha: Strength of the transfer in [0, 1].
        """
        maps = self.transfer.style_maps(style)

        def adapt(place: str, content: Tensor) -> Tensor:
            known = place_of(place, self.places)
            return content if known is None else transform(content, maps[known], alpha)

        return adapt


def grid_hints(ab: Tensor) -> Points:
    """Select hints from ab ``(B, 2, H, W)``: one patch in each cell of an 8 x 8 grid.

    Each patch is a small square at the cell center and has the mean color of its pixels.
    """
    ab = ab.float()
    height, width = ab.shape[-2:]
    rows, columns = (_patches(length, _PATCH * min(height, width), ab) for length in (height, width))
    with torch.autocast(ab.device.type, enabled=False):  # bfloat16 would round colors
        mean = _normalized(rows) @ ab @ _normalized(columns).T
        generated = rows.T @ mean @ columns
    cover = rows.sum(0)[:, None] * columns.sum(0)  # above 1 where patches overlap in a tiny image
    return Points(generated / cover.clamp(min=1), (cover > 0).to(ab).expand_as(ab[:, :1]).clone())


def _patches(length: int, side: float, like: Tensor) -> Tensor:
    """Return a mask ``(GRID, length)`` of each patch's pixels along one axis."""
    pixel = torch.arange(length, device=like.device)
    center = (torch.arange(GRID, device=like.device) + 0.5) * length / GRID
    extent = (torch.zeros_like(center) + side).round().clamp(min=1)  # whole pixels, at least 1
    first = (center - extent / 2).floor().clamp(min=0)[:, None]
    inside = (pixel >= first) & (pixel < first + extent[:, None])
    return inside.to(like.dtype)


def _normalized(patches: Tensor) -> Tensor:
    return patches / patches.sum(dim=1, keepdim=True)


def weigh_transfer(
    transferred: Tensor, automatic: Tensor, logits: Tensor, centers: Tensor, error: float
) -> Tensor:
    """Average transferred and automatic colors by inverse variance.

    All variances are means over a and b. The variance of an automatic color is the variance of the predicted
    color distribution. The variance of the transferred colors is estimated for each image: the mean squared
    difference between transferred and automatic colors, minus the variance of the automatic colors, but at
    least ``error`` squared. The colors of an unsuitable reference therefore have a low weight.

    Args:
        transferred: ab ``(B, 2, H, W)`` after the transfer in CIE units.
        automatic: ab ``(B, 2, H, W)`` before the transfer in CIE units.
        logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        centers: Bin centers ``(529, 2)`` of the ab grid.
        error: Minimum standard deviation of the transferred colors in CIE units.

    Returns:
        Averaged ab ``(B, 2, H, W)`` in CIE units.
    """
    height, width = transferred.shape[-2:]
    # mean of the variances of a and b in each cell, (B, 1, h, w)
    with torch.autocast(logits.device.type, enabled=False):  # float32 for differences of large squares
        share = logits.float().softmax(dim=1)
        mean = torch.einsum("bqhw,qc->bchw", share, centers)
        square = torch.einsum("bqhw,q->bhw", share, centers.square().sum(dim=1))
        cell_variance = ((square - mean.square().sum(dim=1)) / 2).clamp(min=0).unsqueeze(1)
    rows, columns = cell_variance.shape[-2:]
    covered_size = (_CELL * rows, _CELL * columns)  # the last cells can exceed the image
    automatic_variance = F.interpolate(cell_variance, covered_size, mode="bilinear")[:, :, :height, :width]
    # variance of the transferred colors, (B, 1, 1, 1)
    squared_difference = (transferred - automatic).square().mean(dim=1, keepdim=True)
    excess = (squared_difference - automatic_variance).mean(dim=(1, 2, 3), keepdim=True)
    least_variance = error**2
    transfer_variance = excess.clamp(min=least_variance)
    weight = automatic_variance / (automatic_variance + transfer_variance)  # of the transferred colors
    return automatic + weight * (transferred - automatic)


class StylizationColorization(ColoringModel, ExemplarModel, StyleModel):
    """Colorization guided by a reference and color points.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the published network.
        places: Sets of layers at which feature statistics are matched (figure 5): any of ``"encoder"``,
            ``"skip"`` and ``"decoder"``.
        backbone: Name of a Local Hints model (Zhang et al. 2017) that provides the colorization sub-net,
            which is frozen and not stored in weight files. Not in the paper.
        transfer_error: Expected color error (standard deviation in CIE units) of a transfer from a suitable
            reference. The error determines the weights in the average of transferred and automatic colors;
            see `weigh_transfer`. None uses only transferred colors, as in the paper.
    """

    accepts = frozenset({"exemplar", "points"})
    feature_layers = tuple(f"network.color.unet.block{index}" for index in (1, 2, 3, 7))
    network: ExemplarNetwork
    centers: Tensor

    def __init__(
        self,
        width: Width = 1.0,
        places: tuple[str, ...] = PLACE_SETS,
        backbone: str | None = None,
        transfer_error: Positive | None = None,
    ) -> None:
        network = ExemplarNetwork(width, places, backbone)
        initialize(network.transfer, None)
        conv0 = network.transfer.encoder.conv0  # ImageNet normalization
        deviation = torch.tensor(IMAGENET_DEVIATION)
        with torch.no_grad():
            conv0.weight.copy_(torch.diag(1 / deviation)[:, :, None, None])
            assert conv0.bias is not None
            conv0.bias.copy_(-torch.tensor(IMAGENET_MEAN) / deviation)
        super().__init__(network)
        self.transfer_error = transfer_error
        self.register_buffer("centers", grid_centers(), persistent=False)

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return feature statistics ``(B, 2, C)`` of references ``(B, 3, H, W)`` in [0, 1].

        The statistics are the mean and standard deviation of each of the C channels at the ten matched layers
        of the transfer sub-net.
        """
        return self.network.transfer.encode_reference(rgb)

    def features(self, rgb: Tensor) -> Tensor:
        """Return the encoder features relu3_1, ``(B, C, H/4, W/4)``, of images.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]; H and W are multiples of 8.
        """
        return self.network.transfer.style_maps(rgb)["encoder3"]

    @torch.no_grad()
    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: TransformName = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Transfer the colors of a style image to a content image; see `StyleModel.stylize`."""
        check_choice("transform", transform, TransformName)
        function = TRANSFORMS[transform]
        if labels is not None:
            function = inside_labels(function, (pad_labels(labels[0]), pad_labels(labels[1])))
        adapt = self.network.adapt_maps(style, function, alpha)
        rgb: Tensor = self.network.transfer(content, adapt)
        if alpha < 1:  # the autoencoder changes the content even without a transfer
            rebuilt = self.network.transfer(content)
            rgb = rgb - rebuilt + torch.lerp(content, rebuilt, alpha)
        return rgb.clamp(0, 1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch, with or without a reference.

        ``extras["logits"]`` contains the logits ``(B, 529, ceil(H/4), ceil(W/4))`` of the last colorization
        pass. With a reference, ``extras["automatic"]`` and ``extras["transferred"]`` contain the ab maps
        before and after the color transfer.
        """
        network = self.network
        automatic, logits = network.color(lightness, points_of(guidance, lightness))
        if guidance is None or guidance.exemplar is None:
            return AbPrediction(ab=automatic, extras={"logits": logits})

        # transfer the reference colors to the automatically colorized image (T_ab in the paper)
        embedding = guidance.exemplar.embed_by(self.encode_reference)
        content = lab_to_rgb(torch.cat([lightness, automatic], dim=1))
        rgb = network.transfer(content, network.adapt(embedding, guidance.exemplar.alpha))
        transferred = rgb_to_lab(rgb.clamp(0, 1))[:, 1:]

        # select hints; the weighted average and the user's points are not in the paper
        hint_ab = transferred
        if self.transfer_error is not None:
            hint_ab = weigh_transfer(transferred, automatic, logits, self.centers, self.transfer_error)
        hints, points = grid_hints(hint_ab), guidance.points
        if points is not None:  # points take precedence at each pixel
            hints = Points(
                torch.where(points.mask > 0, points.ab, hints.ab), torch.maximum(points.mask, hints.mask)
            )

        ab, logits = network.color(lightness, hints)
        extras = {"logits": logits, "automatic": automatic, "transferred": transferred}
        return AbPrediction(ab=ab, extras=extras)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' encoder, decoder or color network, or torchvision's VGG-19.

        The keys determine which of these networks the file contains. VGG-19 can replace the authors' encoder:
        layers after relu4_1 are dropped, and the first layer of the encoder (normalization), which has no
        counterpart in VGG-19, keeps its weights. Weights of the other networks keep their current values. The
        authors published code but no checkpoints.
        """

        def transfer_key(part: str, key: str) -> str:
            layer, _, parameter = key.rpartition(".")
            inner = "" if layer == "conv0" else ".conv"  # all other layers wrap the convolution in padding
            return f"network.transfer.{part}.{layer}{inner}.{parameter}"

        if "features.0.weight" in state_dict:  # VGG-19
            ours = {}
            for key, value in state_dict.items():
                layer, _, parameter = key.rpartition(".")
                if layer in VGG19_LAYERS:
                    ours[transfer_key("encoder", f"{VGG19_LAYERS[layer]}.{parameter}")] = value
        elif "conv0.weight" in state_dict:  # encoder
            ours = {transfer_key("encoder", key): value for key, value in state_dict.items()}
        elif "conv1_2_2.weight" in state_dict:  # decoder
            ours = {transfer_key("decoder", key): value for key, value in state_dict.items()}
        else:
            names = [(theirs, rf"network.color.unet.{own}") for theirs, own in HINT_UNET_NAMES]
            ours = rename_keys(state_dict, names)
        return {**self.state_dict(), **ours}
