"""Disentangled Image Colorization via Global Anchors (Xia et al., SIGGRAPH Asia 2022).

A network divides the image into superpixels, and k-means selects a few anchors. Each anchor receives one of
313 colors, and a transformer propagates the anchor colors to all other superpixels.
https://doi.org/10.1145/3550454.3555432

Each square cell of 16 x 16 pixels has one superpixel. The superpixel network predicts nine weights per pixel,
which assign the pixel to the superpixels of its cell and the eight neighboring cells. The weights are in
row-major order of these cells.

Color points and the function `with_points` are not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise, product
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers, nearest_bin
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.attention import AttentionStep, FeedStep, position_encoding
from colorzoo.networks.blocks import (
    conv3x3,
    conv_block,
    conv_relu_stack,
    pad_to_multiple,
    pad_with_zeros,
    scaled_width,
    upconv4x4,
)
from colorzoo.networks.clusters import kmeans
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Fraction, NonNegativeInt, PositiveInt, Range, Width

CELL = 16
"""Side of a cell in pixels."""

ALTERNATIVES = 3
"""Number of alternative results per image."""

_CHANNELS = (16, 32, 64, 128, 256)
_SUPERPIXEL_SLOPE = 0.1
_AROUND = tuple(product((-1, 0, 1), (-1, 0, 1)))  # row and column offsets from a pixel's own cell
_LEAST = 1e-8
_LAYERS = 6
_HIDDEN = 4  # MLP expansion ratio
_SLOPE = 0.2
_BINS = len(hull_centers())
_SIZE_WEIGHT = 0.01
_LIKELY_BINS = 10


class SuperpixelNetwork(nn.Module):
    """U-Net that predicts each pixel's assignment weights for nine superpixels.

    Layer names match the authors' code.

    Args:
        width: Multiplier for every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        outs = [scaled_width(each, width) for each in _CHANNELS]
        self.depth = len(outs)
        layers: dict[str, nn.Module] = {}
        for level, (in_channels, out_channels) in enumerate(zip([1, *outs], outs, strict=False)):
            layers[f"conv{level}a"] = _convolution(in_channels, out_channels, stride=2 if level else 1)
            layers[f"conv{level}b"] = _convolution(out_channels, out_channels)
        for level in range(self.depth - 1):
            up = upconv4x4(outs[level + 1], outs[level])
            layers[f"deconv{level}"] = nn.Sequential(up, nn.LeakyReLU(_SUPERPIXEL_SLOPE))
            layers[f"conv{level}_1"] = _convolution(2 * outs[level], outs[level])
        layers["pred_mask0"] = conv3x3(outs[0], len(_AROUND))
        self.layers = nn.ModuleDict(layers)

    def forward(self, gray: Tensor) -> Tensor:
        """Return assignment weights ``(B, 9, H, W)`` with a sum of 1 at each pixel.

        Args:
            gray: ``(B, 1, H, W)`` in [-1, 1]; H and W are multiples of 16.
        """
        maps, x = [], gray
        for level in range(self.depth):
            x = self.layers[f"conv{level}b"](self.layers[f"conv{level}a"](x))
            maps.append(x)
        for level in reversed(range(self.depth - 1)):
            x = self.layers[f"conv{level}_1"](torch.cat([maps[level], self.layers[f"deconv{level}"](x)], 1))
        return self.layers["pred_mask0"](x).softmax(dim=1)


def _convolution(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.LeakyReLU(_SUPERPIXEL_SLOPE))


def pool(maps: Tensor, shares: Tensor, cell: int = CELL) -> Tensor:
    """Return the mean features of each superpixel, weighted by the assignment weights.

    Args:
        maps: Feature maps ``(B, C, H, W)``.
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        cell: Side of a cell in pixels.

    Returns:
        Superpixel features ``(B, C, H/cell, W/cell)``.
    """
    return _gathered(maps, shares, cell) / (weights(shares, cell) + _LEAST)


def bins_of(ab: Tensor) -> Tensor:
    """Return the indices ``(B, h, w)`` of the bins nearest to ab ``(B, 2, h, w)`` in CIE units."""
    colors = ab.movedim(1, -1).flatten(0, 2)
    return nearest_bin(colors).view(len(ab), *ab.shape[-2:])


def weights(shares: Tensor, cell: int = CELL) -> Tensor:
    """Return the size of each superpixel, ``(B, 1, H/cell, W/cell)``; 1 is the area of a cell.

    The size is the sum of the assignment weights, divided by the pixel count of a cell.

    Args:
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        cell: Side of a cell in pixels.
    """
    return _gathered(torch.ones_like(shares[:, :1]), shares, cell)


def sizes(shares: Tensor, cell: int = CELL) -> Tensor:
    """Return superpixel sizes like `weights`, but after a hard assignment of the pixels.

    Each pixel is assigned to the superpixel with the largest weight, or to all tied superpixels.

    Args:
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        cell: Side of a cell in pixels.
    """
    # float32, because bfloat16 would round different sizes to equal scores in `anchors_of`
    return weights((shares == shares.amax(dim=1, keepdim=True)).float(), cell)


def spread(cells: Tensor, shares: Tensor, cell: int = CELL) -> Tensor:
    """Upsample superpixel features to pixels ``(B, C, H, W)`` with the assignment weights.

    The features of a pixel are the weighted sum of nine superpixel features. Superpixels outside the image
    have the value 0.

    Args:
        cells: Superpixel features ``(B, C, H/cell, W/cell)``.
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        cell: Side of a cell in pixels.
    """
    pixels = torch.zeros_like(shares[:, :1])
    for index, (down, right) in enumerate(_AROUND):
        neighbors = _shifted(cells, down, right)
        pixels = pixels + F.interpolate(neighbors, scale_factor=cell) * shares[:, index, None]
    return pixels


def _gathered(maps: Tensor, shares: Tensor, cell: int) -> Tensor:
    """Return the weighted sum of maps over each superpixel, divided by the cell area."""
    total = maps.new_zeros(1, 1, 1, 1)
    for index, (down, right) in enumerate(_AROUND):
        cell_means = F.avg_pool2d(maps * shares[:, index, None], cell)
        total = total + _shifted(cell_means, -down, -right)
    return total


def _shifted(cells: Tensor, down: int, right: int) -> Tensor:
    """Return the value of the cell ``down`` rows below and ``right`` columns right of each cell.

    Both numbers are -1, 0 or 1. Cells outside the map have the value 0.
    """
    height, width = cells.shape[-2:]
    padded = F.pad(cells, (1, 1, 1, 1))
    return padded[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width]


class FeatureNetwork(nn.Module):
    """U-Net of Zhang et al. 2017 with spectral norm, one skip connection and no dilation.

    Block names match the authors' code.

    Args:
        width: Multiplier for every channel count.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.conv1_2 = _spectral_block((1, c64, c64))
        self.conv2_3 = _spectral_block((c64, c128, c128, c128), stride=2)
        self.conv3_3 = _spectral_block((c128, c256, c256, c256), stride=2)
        self.conv4_3 = _spectral_block((c256, c512, c512, c512), stride=2)
        self.conv5_3, self.conv6_3, self.conv7_3 = (_spectral_block((c512,) * 4) for _ in range(3))
        self.conv8up, self.conv3short8 = _up(c512, c256), nn.Sequential(conv3x3(c256, c256))
        self.conv8_3 = nn.Sequential(nn.ReLU(), *conv_block((c256,) * 3))
        self.conv9up = _up(c256, c128)
        self.conv9_2 = conv_block((c128, c128))
        self.conv10up = _up(c128, c64)
        self.conv10_2 = nn.Sequential(nn.ReLU(), *conv_relu_stack((c64, c64)))

    def forward(self, gray: Tensor) -> Tensor:
        """Return feature maps of gray images.

        Args:
            gray: ``(B, 1, H, W)`` in [-1, 1]; H and W are multiples of 8.

        Returns:
            Feature maps ``(B, 64 * width, H, W)``.
        """
        third = self.conv3_3(self.conv2_3(self.conv1_2(gray)))
        deep = self.conv7_3(self.conv6_3(self.conv5_3(self.conv4_3(third))))
        x = self.conv8_3(self.conv8up(deep) + self.conv3short8(third))
        return self.conv10_2(self.conv10up(self.conv9_2(self.conv9up(x))))


def _spectral_block(channels: tuple[int, ...], *, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (in_channels, out_channels) in enumerate(pairwise(channels)):
        first = stride if index == 0 else 1
        layers += [StoredSpectralConv(in_channels, out_channels, (3, 3), stride=first, padding=1)]
        layers += [nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]))


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), conv3x3(in_channels, out_channels))


class TransformerLayer(nn.Module):
    """Self-attention over superpixels, followed by a feed-forward layer.

    Args:
        channels: Token channels.
        dropout: Dropout probability.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.attention = AttentionStep(channels, dropout)
        self.feed = FeedStep(channels, _HIDDEN * channels, dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return transformed tokens ``(B, N, C)``.

        Args:
            tokens: Features of N superpixels, ``(B, N, C)``.
            positions: Position encodings ``(1, N, C)``, which are added to queries and keys.
        """
        placed = tokens + positions
        return self.feed(self.attention(tokens, placed, placed, tokens))


class Transformer(nn.Module):
    """Stack of six `TransformerLayer` modules with position encodings.

    Args:
        channels: Token channels.
        dropout: Dropout probability.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(channels, dropout) for _ in range(_LAYERS))

    def forward(self, cells: Tensor) -> Tensor:
        """Return superpixel features ``(B, C, h, w)`` after six layers of self-attention."""
        height, width = cells.shape[-2:]
        tokens, encoding = cells.flatten(2).mT, position_encoding(height, width, cells.shape[1], cells.device)
        for layer in self.layers:
            tokens = layer(tokens, encoding)
        return torch.unflatten(tokens.mT, 2, (height, width))


class Refinement(nn.Module):
    """Hourglass network that predicts ab at each pixel.

    Args:
        tokens: Channel count of the upsampled superpixel features.
        width: Multiplier for every channel count.
    """

    def __init__(self, tokens: int, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256 = (scaled_width(base, width) for base in (64, 128, 256))
        self.enter = conv_block((1 + tokens, c64, c64))
        self.down1, self.down2 = _down(c64, c128), _down(c128, c256)
        self.residual = nn.Sequential(*(ResidualBlock(c256) for _ in range(3)))
        self.up2, self.up1 = Rise(c256, c128), Rise(c128, c64)
        self.leave = conv3x3(c64, 2)

    def forward(self, gray: Tensor, tokens: Tensor) -> Tensor:
        """Return ab / 110 in [-1, 1], ``(B, 2, H, W)``.

        Args:
            gray: ``(B, 1, H, W)`` in [-1, 1].
            tokens: Superpixel features ``(B, C, H, W)``, upsampled to pixels.
        """
        whole = self.enter(torch.cat([gray, tokens], dim=1))
        half = self.down1(whole)
        x = self.residual(self.down2(half))
        ab: Tensor = self.leave(self.up1(self.up2(x, half), whole))
        return ab.tanh()


def _down(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv3x3(in_channels, out_channels, stride=2), nn.ReLU(), *conv_block((out_channels, out_channels))
    )


class ResidualBlock(nn.Module):
    """Three convolutions with a residual connection, without normalization.

    Args:
        channels: Input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        spectral = StoredSpectralConv(channels, channels, (3, 3), padding=1)
        self.conv = nn.Sequential(
            conv3x3(channels, channels), spectral, nn.ReLU(), conv3x3(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape as the input ``(B, channels, H, W)``."""
        return F.relu(x + self.conv(x))


class Rise(nn.Module):
    """Decoder level: 2x upsampling, skip connection and convolutions.

    Args:
        in_channels: Input channels.
        out_channels: Channels of the skip connection and the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels)
        self.combine = conv3x3(2 * out_channels, out_channels)
        self.conv2 = conv_block((out_channels,) * 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return the upsampled map ``(B, out_channels, H, W)``.

        Args:
            x: ``(B, in_channels, H/2, W/2)``.
            skip: ``(B, out_channels, H, W)``.
        """
        up = F.interpolate(self.conv1(x), scale_factor=2)
        return self.conv2(F.relu(self.combine(torch.cat([up, skip], dim=1))))


class EncodedImage(NamedTuple):
    """Superpixels with their features and predicted color distributions.

    h is H / 16, and w is W / 16.

    Attributes:
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        cells: Superpixel features ``(B, C, h, w)``.
        tokens: Superpixel features after the transformer, ``(B, C, h, w)``.
        palette: Superpixel color logits ``(B, 313, h, w)``.
    """

    shares: Tensor
    cells: Tensor
    tokens: Tensor
    palette: Tensor


class AnchorNetwork(nn.Module):
    """Network of DISCO: superpixels, two transformer branches and a refinement network.

    The first branch predicts a color distribution per superpixel. The second branch propagates anchor colors.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        dropout: Dropout probability of the transformers.
    """

    def __init__(self, width: float, dropout: float) -> None:
        super().__init__()
        channels = scaled_width(64, width)
        self.superpixels = SuperpixelNetwork(width)
        self.features = FeatureNetwork(width)
        self.palette_branch, self.reference_branch = (Transformer(channels, dropout) for _ in range(2))
        self.palette = nn.Linear(channels, _BINS, bias=False)
        self.join = nn.Linear(channels + _BINS + 1, channels, bias=False)
        self.reference = nn.Linear(channels, _BINS, bias=False)
        self.refinement = Refinement(channels, width)

    def encode(self, gray: Tensor) -> EncodedImage:
        """Compute superpixels and their color distributions.

        Args:
            gray: ``(B, 1, H, W)`` in [-1, 1]; H and W are multiples of 16.
        """
        shares = self.superpixels(gray)
        cells = pool(self.features(gray), shares)
        tokens = self.palette_branch(cells)
        return EncodedImage(shares, cells, tokens, _by_cell(self.palette, tokens))

    def decode(
        self, gray: Tensor, encoded: EncodedImage, anchors: Tensor, bins: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Propagate the anchor colors to all superpixels and predict the color of each pixel.

        Args:
            gray: ``(B, 1, H, W)`` in [-1, 1].
            encoded: Output of `encode`.
            anchors: Anchor mask ``(B, 1, h, w)`` in {0, 1}.
            bins: Bin indices of the anchor colors, ``(B, h, w)``.

        Returns:
            Superpixel color logits ``(B, 313, h, w)``, and ab / 110 ``(B, 2, H, W)``.
        """
        colors = F.one_hot(bins, _BINS).permute(0, 3, 1, 2).to(encoded.cells) * anchors
        joined = _by_cell(self.join, torch.cat([encoded.cells, colors, anchors], dim=1))
        tokens = self.reference_branch(joined)
        ab = self.refinement(gray, spread(tokens, encoded.shares))
        return _by_cell(self.reference, tokens), ab


def _by_cell(layer: nn.Linear, cells: Tensor) -> Tensor:
    mapped: Tensor = layer(cells.movedim(1, -1))
    return mapped.movedim(-1, 1)


def starts_of(draws: Tensor, count: int) -> Tensor:
    """Return the indices ``(B, k)`` of the superpixels that initialize k-means.

    The superpixels are divided into k index ranges of equal length, and one superpixel is drawn from each
    range.

    Args:
        draws: Uniform random numbers ``(B, k)`` in [0, 1).
        count: Number of superpixels. Indices repeat if ``count`` is below k.
    """
    stretches = torch.arange(draws.shape[1], device=draws.device)
    return ((stretches + draws) * (count / draws.shape[1])).long().clamp(max=count - 1)


def anchors_of(clusters: Tensor, sizes: Tensor, count: int) -> Tensor:
    """Return a mask of the anchors: the largest superpixel of each cluster.

    Args:
        clusters: Cluster index of each of N superpixels, ``(B, N)``.
        sizes: Size of each superpixel, ``(B, N)``; 1 is the area of 16 x 16 pixels. See
            `colorzoo.zoo.xia2022.model.sizes`.
        count: Number of clusters.

    Returns:
        Mask ``(B, N)``, True for anchors.
    """
    is_member = clusters[..., None] == torch.arange(count, device=clusters.device)  # (B, N, count)
    score = is_member.to(sizes) + _SIZE_WEIGHT * sizes[..., None]
    anchor_index = score.argmax(dim=1)  # (B, count)
    superpixels = torch.arange(clusters.shape[1], device=clusters.device)
    return (superpixels[:, None] == anchor_index[:, None]).any(dim=2)


def anchor_bins(logits: Tensor) -> list[Tensor]:
    """Return a list of three alternative colors per superpixel, as bin indices ``(B, N)``.

    The first color is the most likely bin. Each further color is the bin among the ten most likely bins that
    has the largest sum of ab distances to the bins already selected.

    Args:
        logits: Color logits ``(B, 313, N)`` of N superpixels.
    """
    likely_bins = logits.topk(_LIKELY_BINS, dim=1).indices.mT  # (B, N, 10), most likely first
    colors = hull_centers().to(logits.device)[likely_bins]  # (B, N, 10, 2)
    distance_sum = torch.zeros_like(colors[..., 0])  # to the selected colors, (B, N, 10)
    rank = torch.zeros_like(likely_bins[..., :1])  # of the color selected last, (B, N, 1)
    selected = [likely_bins[..., 0]]
    for _ in range(ALTERNATIVES - 1):
        last_color = colors.gather(2, rank[..., None].expand(-1, -1, -1, 2))
        distance_sum = distance_sum + (colors - last_color).square().sum(dim=3).sqrt()
        rank = distance_sum.argmax(dim=2, keepdim=True)
        selected.append(likely_bins.gather(2, rank)[..., 0])
    return selected


def with_points(anchors: Tensor, bins: Tensor, clusters: Tensor, points: Points) -> tuple[Tensor, Tensor]:
    """Replace anchors in clusters that contain color points; return anchors and bins.

    Args:
        anchors: Mask ``(B, N)`` of the predicted anchors.
        bins: Colors ``(B, N)`` of the superpixels as bin indices.
        clusters: Cluster index ``(B, N)`` of each superpixel.
        points: Color points.
    """
    # mean color of the points in each superpixel's cell
    mask, ab = (pad_with_zeros(each, CELL) for each in (points.mask, points.ab * points.mask))
    hinted_fraction = F.avg_pool2d(mask, CELL)  # (B, 1, h, w)
    mean_ab = F.avg_pool2d(ab, CELL) / torch.where(hinted_fraction > 0, hinted_fraction, 1.0)
    point_bins = bins_of(mean_ab).flatten(1)  # (B, N)

    has_point = hinted_fraction.flatten(1) > 0  # (B, N)
    is_same_cluster = clusters[:, :, None] == clusters[:, None]
    cluster_has_point = (is_same_cluster & has_point[:, None]).any(dim=2)
    return (anchors & ~cluster_has_point) | has_point, torch.where(has_point, point_bins, bins)


def network_input(lightness: Tensor) -> Tensor:
    """Scale lightness from [0, 100] to [-1, 1]."""
    return (lightness - 50) / 50


_BRANCHES = {"wild": "palette_branch", "hint": "reference_branch"}
NAMES: tuple[Pattern, ...] = (
    (r"(segnet\.)?net\.", "superpixels.layers."),
    (r"repnet\.", "features."),
    (r"(wild|hint)path\.layers\.(\d)\.self_attn\.", lambda m: f"{_layer(m)}.attention.attention."),
    (r"(wild|hint)path\.layers\.(\d)\.norm1\.", lambda m: f"{_layer(m)}.attention.norm."),
    (r"(wild|hint)path\.layers\.(\d)\.linear", lambda m: f"{_layer(m)}.feed.linear"),
    (r"(wild|hint)path\.layers\.(\d)\.norm2\.", lambda m: f"{_layer(m)}.feed.norm."),
    (r"mid_word_prj\.", "palette."),
    (r"trg_word_emb\.", "join."),
    (r"trg_word_prj\.", "reference."),
    (r"enhanceNet\.inConv\.inConv\.0\.", "refinement.enter.0."),
    (r"enhanceNet\.inConv\.conv\.0\.", "refinement.enter.2."),
    (r"enhanceNet\.inConv\.conv\.2\.", "refinement.enter.4."),
    (r"enhanceNet\.(down\d)\.conv\.", r"refinement.\1."),
    (r"enhanceNet\.outConv\.", "refinement.leave."),
    (r"enhanceNet\.", "refinement."),
)


def _layer(found: re.Match[str]) -> str:
    """Return the name of a transformer layer."""
    return f"{_BRANCHES[found[1]]}.layers.{found[2]}"


class AnchorColorization(ColoringModel):
    """Colorization that propagates the colors of a few anchor superpixels.

    Color points are not in the paper: each superpixel that contains color points becomes an anchor with the
    mean color of its points. Such a superpixel replaces the predicted anchor of its cluster.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        dropout: Dropout probability of the transformers.
        anchors: Number of anchors (superpixels that receive a color) per image.
        alternative: Index of the result among three alternatives. 0 uses the most likely anchor colors; 1 and
            2 use less likely colors, see `anchor_bins`.
        seed: Seed of the random initial k-means centers.
    """

    accepts = frozenset({"points"})
    feature_layers = (
        "network.features.conv1_2",
        "network.features.conv2_3",
        "network.features.conv3_3",
        "network.features.conv7_3",
    )
    published_names = NAMES
    network: AnchorNetwork
    draws: Tensor

    def __init__(
        self,
        width: Width = 1.0,
        dropout: Fraction = 0.1,
        anchors: PositiveInt = 8,
        alternative: Annotated[int, Range(0, ALTERNATIVES - 1)] = 0,
        seed: NonNegativeInt = 130,
    ) -> None:
        network = AnchorNetwork(width, dropout)
        # Xavier uniform initialization of all weights with two or more dimensions
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        for layer in network.modules():
            if isinstance(layer, StoredSpectralConv):
                layer.settle()
        super().__init__(network)
        self.anchors, self.alternative = anchors, alternative
        self.network.to(memory_format=torch.contiguous_format)  # more accurate batch statistics
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(1, anchors, generator=generator, device="cpu")
        self.register_buffer("draws", drawn, persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch.

        ``extras["logits"]`` contains the color logits ``(B, 313, h, w)`` of the superpixels, and
        ``extras["anchors"]`` contains the anchor mask ``(B, 1, h, w)``, where h is ceil(H/16) and w is
        ceil(W/16).
        """
        height, width = lightness.shape[-2:]
        gray = network_input(pad_to_multiple(lightness, CELL))
        encoded = self.network.encode(gray)

        # k-means clusters of the N superpixels, (B, N)
        tokens = encoded.tokens.flatten(2).mT
        clusters = kmeans(tokens, starts_of(self.draws, tokens.shape[1]).expand(len(tokens), -1))

        # anchors and the color of each superpixel as a bin index, (B, N)
        anchors = anchors_of(clusters, sizes(encoded.shares).flatten(1), self.anchors)
        bins = anchor_bins(encoded.palette.float().flatten(2))[self.alternative]
        if guidance is not None and guidance.points is not None:  # not in the paper
            anchors, bins = with_points(anchors, bins, clusters, guidance.points)

        # colors of all superpixels and pixels
        cells = encoded.cells.shape[-2:]
        mask = torch.unflatten(anchors.to(gray)[:, None], 2, cells)
        logits, ab = self.network.decode(gray, encoded, mask, torch.unflatten(bins, 1, cells))
        return AbPrediction(
            ab=AB_SCALE * ab.float()[:, :, :height, :width],
            extras={"logits": logits.float(), "anchors": mask},
        )

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' checkpoint to the names of this model.

        If the file contains only the superpixel network, the current values of the other weights are added.
        """
        ours = super().convert_published(state_dict)
        has_only_superpixels = all(key.startswith("network.superpixels.") for key in ours)
        return {**self.state_dict(), **ours} if has_only_superpixels else ours
