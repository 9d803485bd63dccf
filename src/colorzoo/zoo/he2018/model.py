"""Deep Exemplar-based Colorization (He et al., SIGGRAPH 2018).

The colors of a reference are warped to the image by dense matching of VGG-19 features. A network predicts ab
from the lightness, the warped colors and the feature distances of the matches at five VGG-19 layers.
https://arxiv.org/abs/1807.06587

A match map ``(B, 2, H, W)`` int64 contains the x and y coordinates of each pixel's match in the other image.
A `Match` function computes match maps. The paper uses Deep Image Analogy (Liao et al. 2017), which
`dense_matches` replaces; the function is not in the paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import (
    cells,
    conv3x3,
    conv_relu_stack,
    pad_to_multiple,
    scaled_width,
    upconv4x4,
)
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.matching import best_matches
from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys, split_by_prefix
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width

if TYPE_CHECKING:
    from colorzoo.weights.readers.caffe import CaffeLayers

SCALES = (16, 8, 4, 2, 1)
"""Strides in pixels of the feature maps relu5_1, relu4_1, relu3_1, relu2_1 and relu1_1."""

INPUTS = 13
"""Input channels of the colorization sub-net: L, warped ab and 2 x 5 error maps."""

_CHANNELS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = (2, 2, 4, 4, 1)  # convolutions per block of VGG-19 up to relu5_1
_AB_RANGE = 100.0  # CIE units
_LEVELS = 2.55  # 8-bit levels per unit of L
STRIDE = 8
_MIDDLE = 127.0  # center of the errors; the network input is half of the difference from this value

Size = tuple[int, int]

Match = Callable[[Sequence[Tensor], Sequence[Tensor], Size, Size], Tensor]
"""Function that returns the matches ``(B, 2, H, W)`` of all pixels of an image in another image.

The arguments are the VGG-19 feature maps of both images, coarse first, and the sizes of both images.
"""

_NEIGHBORS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_MIN_NORM = 1e-8  # minimum norm of a feature vector
_CHUNK = 16  # number of channels that are compared at once, which limits memory
_MATCHED_SCALES = SCALES[:-1]  # relu1_1 is not matched, as in Deep Image Analogy
# shifts (dx, dy), nearest first, so that the nearest position wins a tie
_SHIFTS = sorted(product(range(-2, 3), repeat=2), key=lambda shift: (math.hypot(*shift), shift))

FILES = {"vgg19_bn_gray_ft_iter_150000.caffemodel": "vgg", "example_net.pth": "colornet"}
"""Map from the authors' file names to key prefixes."""

_COUNTER = "num_batches_tracked"  # absent in files written before 2018
_LAST = {1: 6, 2: 4, 3: 6, 4: 6, 5: 6, 6: 6, 7: 6, 8: 4, 9: 2}  # index of the normalization in its block
_FIRST = {1: 0, 8: 2, 9: 2}  # number of the first convolution in a block; 1 for other blocks
_COLOR_NET: tuple[Pattern, ...] = (
    (r"conv1_1\.([02])\.", r"block1.\1."),
    (r"conv(1_2|2_2|3_3)norm_ss\.", lambda m: f"down{m[1][0]}."),
    (r"conv(\d)_\dnorm\.", lambda m: f"block{m[1]}.{_LAST[int(m[1])]}."),
    (r"conv(8|9|10)_1\.", r"up\1."),
    (r"conv(1_2|2_2|3_3)_short\.", lambda m: f"skip{m[1][0]}."),
    (r"conv10_2\.", "conv10."),
    (r"conv10_ab\.", "ab."),
    (r"conv(\d)_(\d)\.", lambda m: f"block{m[1]}.{2 * (int(m[2]) - _FIRST.get(int(m[1]), 1))}."),
)
_UNUSED_VGG = re.compile(r"conv5_[2-4]|fc\d|prob")  # layers after conv5_1
_VGG: tuple[Pattern, ...] = (
    (r"data/(bn|scale)\.", "scale."),
    (r"conv(\d)_(\d)/bn\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}.1."),
    (r"conv(\d)_(\d)\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}.0."),
)


class GrayVGG(nn.Module):
    """Frozen VGG-19 with batch normalization, trained by the authors on gray images.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(3)  # Caffe's layers data/bn and data/scale
        self.blocks = nn.ModuleList()
        in_channels = 3
        for count, base in zip(_CONVOLUTIONS, _CHANNELS, strict=True):
            out_channels = scaled_width(base, width)
            widths = [in_channels, *[out_channels] * count]
            self.blocks.append(nn.ModuleList(_normalized(i, o) for i, o in pairwise(widths)))
            in_channels = out_channels
        initialize(self, None)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Keep eval mode for any ``mode``, so the BatchNorm statistics do not change."""
        return super().train(False)

    def forward(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of lightness maps ``(B, 1, H, W)`` in [0, 100]."""
        return self.of_levels(_LEVELS * lightness)

    def of_levels(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of 8-bit lightness ``(B, 1, H, W)`` in [0, 255]."""
        x, hooks = self.scale(levels.expand(-1, 3, -1, -1)), []
        for number, block in enumerate(self.blocks):
            if number:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            for index, layer in enumerate(block.children()):
                x = F.relu(layer(x))
                if index == 0:
                    hooks.append(x)
        return tuple(reversed(hooks))


class ColorNet(nn.Module):
    """Colorization sub-net: ten blocks with three additive skip connections.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
        self.block1 = _block(INPUTS, c32, c64, c64)
        self.block2 = _block(c64, c128, c128)
        self.block3 = _block(c128, c256, c256, c256)
        self.block4 = _block(c256, c512, c512, c512)
        self.block5 = _block(c512, c512, c512, c512, dilation=2)
        self.block6 = _block(c512, c512, c512, c512, dilation=2)
        self.block7 = _block(c512, c512, c512, c512)
        self.down1, self.down2, self.down3 = _halve(c64), _halve(c128), _halve(c256)
        self.up8, self.skip3, self.block8 = upconv4x4(c512, c256), conv3x3(c256, c256), _block(*[c256] * 3)
        self.up9, self.skip2, self.block9 = upconv4x4(c256, c128), conv3x3(c128, c128), _block(c128, c128)
        self.up10, self.skip1, self.conv10 = upconv4x4(c128, c128), conv3x3(c64, c128), conv3x3(c128, c128)
        self.ab = nn.Conv2d(c128, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-100, 100].

        Args:
            x: ``(B, 13, H, W)``, output of `network_input`; H and W are multiples of 8.
        """
        map1 = self.block1(x)
        map2 = self.block2(self.down1(map1))
        map3 = self.block3(self.down2(map2))
        deep = self.block4(self.down3(map3))
        deep = self.block7(self.block6(self.block5(deep)))
        deep = self.block8(F.relu(self.up8(deep) + self.skip3(map3)))
        deep = self.block9(F.relu(self.up9(deep) + self.skip2(map2)))
        deep = F.relu(self.up10(deep) + self.skip1(map1))
        return _AB_RANGE * torch.tanh(self.ab(F.leaky_relu(self.conv10(deep), 0.2)).float())


def _normalized(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(in_channels, out_channels), nn.BatchNorm2d(out_channels, affine=False))


def _block(*channels: int, dilation: int = 1) -> nn.Sequential:
    """Build convolutions with ReLU, followed by BatchNorm without affine parameters."""
    return nn.Sequential(
        *conv_relu_stack(channels, dilation=dilation), nn.BatchNorm2d(channels[-1], affine=False)
    )


def _halve(channels: int) -> nn.Conv2d:
    """Build 2x subsampling with a learned weight per channel."""
    return nn.Conv2d(channels, channels, 1, stride=2, groups=channels, bias=False)


def pixel_grid(size: Size, device: torch.device) -> Tensor:
    """Return the x and y coordinates of all pixels, ``(1, 2, H, W)``.

    Args:
        size: Height and width of the image.
        device: Device of the result.
    """
    y, x = torch.meshgrid(*(torch.arange(side, device=device) for side in size), indexing="ij")
    return torch.stack([x, y])[None]


def inside(matches: Tensor, size: Size) -> Tensor:
    """Return a bool map ``(B, 1, H, W)``: True where a match lies inside the other image.

    Args:
        matches: x and y coordinates in the other image, ``(B, 2, H, W)``.
        size: Height and width of the other image.
    """
    x, y = matches[:, :1], matches[:, 1:]
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def read_at(maps: Tensor, matches: Tensor) -> Tensor:
    """Sample maps at the coordinates of matches and return ``(B, C, H, W)``.

    Args:
        maps: ``(B, C, h, w)``.
        matches: x and y coordinates in ``maps``, ``(B, 2, H, W)``. The value for coordinates outside ``maps``
            is 0.
    """
    size = (maps.shape[2], maps.shape[3])
    return _gather(maps, rows_of(matches, size)) * inside(matches, size).to(maps.dtype)


def warp(image: Tensor, matches: Tensor) -> Tensor:
    """Warp an image with matches by averaging overlapping 3 x 3 patches (patch voting).

    The match of each of the nine neighbors of a pixel, shifted back to the pixel, gives one vote.

    Args:
        image: Source image ``(B, C, h, w)``.
        matches: x and y coordinates in the source image for each pixel of the result, ``(B, 2, H, W)``.

    Returns:
        Warped image ``(B, C, H, W)``, 0 where all patches lie outside the source image.
    """
    size = (image.shape[2], image.shape[3])
    padded = F.pad(matches, (1, 1, 1, 1), value=-2)  # -2 is outside of the image for every shift
    height, width = matches.shape[-2:]
    color_sum = image.new_zeros(len(matches), image.shape[1], height, width)
    votes = image.new_zeros(len(matches), 1, height, width)
    for dx, dy in _NEIGHBORS:
        neighbor_matches = padded[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        offset = torch.tensor([dx, dy], device=matches.device).view(2, 1, 1)
        sources = neighbor_matches - offset
        color_sum += read_at(image, sources)
        votes += inside(sources, size).to(votes.dtype)
    return color_sum / votes.clamp(min=1)


def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """Follow matches to the second image and back to the first image.

    Args:
        there: Matches of the first image in the second image, ``(B, 2, H, W)``.
        back: Matches of the second image in the first image, ``(B, 2, h, w)``.

    Returns:
        x and y coordinates ``(B, 2, H, W)`` in the first image. A pixel with a match outside the second image
        maps to itself.
    """
    stay = pixel_grid((there.shape[2], there.shape[3]), there.device)
    return torch.where(inside(there, (back.shape[2], back.shape[3])), read_at(back, there), stay)


def distances(
    target: Sequence[Tensor], reference: Sequence[Tensor], forward: Tensor, backward: Tensor
) -> tuple[Tensor, Tensor]:
    """Return feature distances of matches in both directions (section 3.1).

    Args:
        target: Five feature maps of the target, ``(B, C, ceil(H/s), ceil(W/s))`` for each stride s in
            `SCALES`.
        reference: Five feature maps of the reference with the same strides.
        forward: Matches of the target in the reference, ``(B, 2, H, W)``.
        backward: Matches of the reference in the target, ``(B, 2, h, w)``.

    Returns:
        Two maps ``(B, 5, H, W)`` of negative cosine similarities, one channel for each stride; 0 for matches
        outside the image. The first map compares each pixel with its match, and the second map compares the
        match with its own match in the target.
    """
    forward_maps, backward_maps = [], []
    for target_map, reference_map, scale in zip(target, reference, SCALES, strict=True):
        forward_map, backward_map = feature_distances(target_map, reference_map, forward, backward, scale)
        forward_maps.append(forward_map)
        backward_maps.append(backward_map)
    target_size = (forward.shape[2], forward.shape[3])
    reference_size = (backward.shape[2], backward.shape[3])
    forward_distances = torch.cat(forward_maps, dim=1) * inside(forward, reference_size)
    backward_distances = torch.cat(backward_maps, dim=1) * inside(backward, target_size)
    return forward_distances, read_at(backward_distances, forward)


def errors_of(distance: Tensor) -> Tensor:
    """Map negative cosine similarities to errors in [0, 255].

    A similarity of 1 (distance -1) gives the error 0. Similarities of 0 or less give the error 255.

    Args:
        distance: Negative cosine similarities in [-1, 1].
    """
    return 255 * (distance + 1).clamp(0, 1)


def feature_distances(
    target: Tensor, reference: Tensor, forward: Tensor, backward: Tensor, scale: int
) -> tuple[Tensor, Tensor]:
    """Return negative cosine similarities of matches in both directions.

    The features are upsampled to pixel resolution before the comparison. Dot products and norms are sums over
    groups of channels, because all upsampled channels would need too much memory.

    Args:
        target: Features of the target, ``(B, C, ceil(H/scale), ceil(W/scale))``.
        reference: Features of the reference, ``(B, C, ceil(h/scale), ceil(w/scale))``.
        forward: Matches of the target in the reference, ``(B, 2, H, W)``. Coordinates outside the reference
            are clamped.
        backward: Matches of the reference in the target, ``(B, 2, h, w)``. Coordinates outside the target
            are clamped.
        scale: Stride of the features in pixels.

    Returns:
        Maps ``(B, 1, H, W)`` for the target and ``(B, 1, h, w)`` for the reference.
    """
    target_size = (forward.shape[2], forward.shape[3])
    reference_size = (backward.shape[2], backward.shape[3])
    forward_rows = rows_of(forward, reference_size)
    backward_rows = rows_of(backward, target_size)

    # sums over the channels: dot products of matched features, and squared norms
    forward_dots = target.new_zeros(len(target), 1, *target_size)
    backward_dots = target.new_zeros(len(target), 1, *reference_size)
    target_squares = torch.zeros_like(forward_dots)
    reference_squares = torch.zeros_like(backward_dots)
    target_parts = torch.split(target, _CHUNK, dim=1)
    reference_parts = torch.split(reference, _CHUNK, dim=1)
    for target_part, reference_part in zip(target_parts, reference_parts, strict=True):
        target_pixels = _at_pixels(target_part, target_size, scale)
        reference_pixels = _at_pixels(reference_part, reference_size, scale)
        forward_products = target_pixels * _gather(reference_pixels, forward_rows)
        backward_products = reference_pixels * _gather(target_pixels, backward_rows)
        forward_dots = forward_dots + forward_products.sum(dim=1, keepdim=True)
        backward_dots = backward_dots + backward_products.sum(dim=1, keepdim=True)
        target_squares = target_squares + target_pixels.square().sum(dim=1, keepdim=True)
        reference_squares = reference_squares + reference_pixels.square().sum(dim=1, keepdim=True)

    target_norm = target_squares.sqrt().clamp(min=_MIN_NORM)
    reference_norm = reference_squares.sqrt().clamp(min=_MIN_NORM)
    forward_distance = -forward_dots / (target_norm * _gather(reference_norm, forward_rows))
    backward_distance = -backward_dots / (reference_norm * _gather(target_norm, backward_rows))
    return forward_distance, backward_distance


def _at_pixels(maps: Tensor, size: Size, scale: int) -> Tensor:
    """Upsample features ``(B, C, ceil(H/scale), ceil(W/scale))`` to pixel resolution.

    As in the published code, pixel x samples position (x + scale/2) / scale, a shift of up to half a cell.
    """
    if scale == 1:
        return maps
    padded = F.pad(maps, (0, 2, 0, 2), mode="replicate")  # extrapolate beyond the border
    fine_size = [(side - 1) * scale + 1 for side in padded.shape[-2:]]  # aligned corners map x to x / scale
    fine = F.interpolate(padded, size=fine_size, mode="bilinear", align_corners=True)
    start = scale // 2
    return fine[:, :, start : start + size[0], start : start + size[1]]


def rows_of(matches: Tensor, size: Size) -> Tensor:
    """Return row-major indices ``(B, H, W)`` of matches, clamped to the image."""
    return matches[:, 1].clamp(0, size[0] - 1) * size[1] + matches[:, 0].clamp(0, size[1] - 1)


def _gather(maps: Tensor, rows: Tensor) -> Tensor:
    """Gather values ``(B, C, H, W)`` from maps ``(B, C, h, w)`` at row-major indices."""
    positions = rows.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, positions).view(*maps.shape[:2], *rows.shape[1:])


def dense_matches(
    features: Sequence[Tensor], other_features: Sequence[Tensor], size: Size, other_size: Size
) -> Tensor:
    """Match every pixel with a position of another image, coarse to fine.

    The search covers all positions at relu5_1, then a window around the coarser match at each finer level
    down to relu2_1. Positions are compared by the cosine similarity of features that are averaged over 3 x 3
    positions and centered.

    Args:
        features: Five VGG-19 feature maps of the first image with the strides in `SCALES`.
        other_features: Five VGG-19 feature maps of the second image with the same strides.
        size: Height and width of the first image.
        other_size: Height and width of the second image.

    Returns:
        x and y coordinates ``(B, 2, H, W)`` int64, all inside the second image.
    """
    # relu5_1: the most similar of all positions
    query, key = _directions(features[0]), _directions(other_features[0])
    best = best_matches(_rows(query), _rows(key))
    width = key.shape[3]
    matches = torch.stack([best % width, best // width], dim=1)  # x and y
    matches = matches.view(len(query), 2, *query.shape[-2:])
    # finer levels: the most similar position in a window of 5 x 5 positions around the coarser match
    for level, scale in enumerate(_MATCHED_SCALES[1:], start=1):
        map_size, other_map_size = (
            (cells(each[0], scale), cells(each[1], scale)) for each in (size, other_size)
        )
        matches = _enlarge(matches, map_size, other_map_size, times=2)
        query, key = _directions(features[level]), _directions(other_features[level])
        query_rows, key_rows = _rows(query), _rows(key)
        height, width = key.shape[-2:]
        first = torch.arange(len(key), device=key.device)[:, None] * height * width  # row of each image
        best_match, best_score = matches, query.new_full((len(query), 1, *query.shape[-2:]), -torch.inf)
        for dx, dy in _SHIFTS:
            x = (matches[:, :1] + dx).clamp(0, width - 1)
            y = (matches[:, 1:] + dy).clamp(0, height - 1)
            candidate = torch.cat([x, y], dim=1)
            positions = rows_of(candidate, (height, width)).flatten(1) + first
            candidate_rows = key_rows.flatten(0, 1).index_select(0, positions.flatten()).view_as(query_rows)
            score = torch.linalg.vecdot(query_rows, candidate_rows).view_as(best_score)
            best_match = torch.where(score > best_score, candidate, best_match)
            best_score = torch.maximum(score, best_score)
        matches = best_match
    return _enlarge(matches, size, other_size, times=_MATCHED_SCALES[-1])


def _enlarge(matches: Tensor, size: Size, other_size: Size, times: int) -> Tensor:
    """Upsample matches to ``size``; keep each pixel's offset in its coarse cell."""
    fine = pixel_grid(size, matches.device)
    coarse_x, coarse_y = (fine // times)[0]
    enlarged = matches[:, :, coarse_y, coarse_x] * times + fine % times
    x = enlarged[:, :1].clamp(0, other_size[1] - 1)
    y = enlarged[:, 1:].clamp(0, other_size[0] - 1)
    return torch.cat([x, y], dim=1)


def _directions(features: Tensor) -> Tensor:
    """Average features over 3 x 3 positions, center them and scale them to length 1."""
    local = F.avg_pool2d(F.normalize(features, dim=1), 3, stride=1, padding=1, count_include_pad=False)
    return F.normalize(local - local.mean(dim=(2, 3), keepdim=True), dim=1)


def _rows(maps: Tensor) -> Tensor:
    """Reshape ``(B, C, H, W)`` to contiguous ``(B, H W, C)``."""
    return maps.flatten(2).transpose(1, 2).contiguous()


class Aligned(NamedTuple):
    """Matches between an image and a reference, with matching errors.

    Attributes:
        there: ``(B, 2, H, W)`` int64, x and y coordinates in the reference for each image pixel.
        back: ``(B, 2, h, w)`` int64, x and y coordinates in the image for each reference pixel.
        errors: ``(B, 10, H, W)``, matching errors in [0, 255] at five VGG-19 layers, coarse first. The first
            five channels compare each pixel with its match, and the last five channels compare the match with
            its own match in the image.
    """

    there: Tensor
    back: Tensor
    errors: Tensor


class ExemplarColorization(ColoringModel):
    """Exemplar colorization that matches every pixel with a pixel of the reference.

    Attributes:
        features: Frozen VGG-19 for gray images.
        match: Function that matches each pixel with a pixel of another image. The paper uses Deep Image
            Analogy (Liao et al. 2017), which `dense_matches` replaces.

    Args:
        width: Multiplier for the channel counts of the VGG-19 for gray images; 1.0 matches the published
            network.
        color_width: Multiplier for the channel counts of the colorization sub-net; 1.0 matches the published
            network.
    """

    accepts = frozenset({"exemplar"})
    published_files: ClassVar[Mapping[str, str]] = FILES
    network: ColorNet
    features: GrayVGG
    match: Match

    def __init__(self, width: Width = 1.0, color_width: Width = 1.0) -> None:
        super().__init__(ColorNet(color_width))
        self.features = GrayVGG(width).to(memory_format=torch.channels_last)
        self.match = dense_matches

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the colors are predicted from the lightness alone. With an exemplar, ``extras``
        contains the warped exemplar colors ``"warped_ab"`` and the mean ``"similarity"`` of the matches in
        [0, 1].
        """
        if guidance is None or guidance.exemplar is None:
            no_colors = torch.zeros_like(lightness).repeat(1, 2, 1, 1)
            no_matches = torch.full_like(lightness, 255.0).repeat(1, 2 * len(SCALES), 1, 1)
            return AbPrediction(ab=self.generate(lightness, no_colors, no_matches))
        rgb = guidance.exemplar.rgb
        aligned = self.align(lightness, rgb)
        ab = aligned_colors(rgb, aligned)
        similarity = 1 - aligned.errors.mean(dim=1, keepdim=True) / 255
        extras = {"warped_ab": ab, "similarity": similarity}
        return AbPrediction(ab=self.generate(lightness, ab, aligned.errors), extras=extras)

    @torch.no_grad()
    def align(self, lightness: Tensor, reference: Tensor) -> Aligned:
        """Match images with references in both directions.

        Args:
            lightness: Images ``(B, 1, H, W)`` in [0, 100].
            reference: References ``(B, 3, h, w)`` in [0, 1].
        """
        with torch.autocast(lightness.device.type, enabled=False):  # matching needs float32
            target_features = self.features(lightness.float())
            reference_features = self.features(rgb_to_lab(reference)[:, :1])
            target_size = (lightness.shape[2], lightness.shape[3])
            reference_size = (reference.shape[2], reference.shape[3])
            forward = self.match(target_features, reference_features, target_size, reference_size)
            backward = self.match(reference_features, target_features, reference_size, target_size)
            both_distances = distances(target_features, reference_features, forward, backward)
            errors = errors_of(torch.cat(both_distances, dim=1))
        return Aligned(forward, backward, errors)

    def generate(self, lightness: Tensor, ab: Tensor, errors: Tensor) -> Tensor:
        """Predict ab ``(B, 2, H, W)`` from lightness, warped ab and matching errors.

        See `network_input` for the shapes and ranges of the arguments.
        """
        height, width = lightness.shape[-2:]
        predicted: Tensor = self.network(pad_to_multiple(network_input(lightness, ab, errors), STRIDE))
        return predicted[:, :, :height, :width]

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' parameters.

        If the file contains only the VGG-19 for gray images, the current weights of the colorization sub-net
        are added.
        """
        ours = convert_published(state_dict)
        return ours if any(key.startswith("network.") for key in ours) else {**self.state_dict(), **ours}

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert the authors' Caffe model of the VGG-19 for gray images to named tensors.

        See `ColoringModel.convert_caffe` for the argument and the return value.
        """
        named = {f"vgg.{name}.{i}": blob for name, blobs in layers.items() for i, blob in enumerate(blobs)}
        return {key: torch.from_numpy(blob) for key, blob in named.items()}, {}


def network_input(lightness: Tensor, ab: Tensor, errors: Tensor) -> Tensor:
    """Return the input ``(B, 13, H, W)`` of the colorization sub-net.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        ab: Warped ab ``(B, 2, H, W)`` in CIE units.
        errors: Matching errors ``(B, 10, H, W)`` in [0, 255].
    """
    return torch.cat([lightness - 50, ab, (errors - _MIDDLE) / 2], dim=1)


def aligned_colors(reference: Tensor, aligned: Aligned) -> Tensor:
    """Warp a reference to the image and return its ab channels ``(B, 2, H, W)``.

    Args:
        reference: RGB ``(B, 3, h, w)`` in [0, 1].
        aligned: Matches between the image and the reference.
    """
    return rgb_to_lab(warp(reference.float(), aligned.there))[:, 1:]


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters in the authors' files to keys of `ExemplarColorization`.

    Args:
        state_dict: Tensors with the prefix ``vgg.`` (Caffe model of VGG-19) or ``colornet.`` (colorization
            sub-net). Unknown keys are kept for error reports of strict loading.
    """
    parts = split_by_prefix(state_dict, ("vgg.", "colornet."))
    features = convert_vgg(name_caffe_blobs(parts["vgg."], "/bn"))
    color_net = convert_color_net(parts["colornet."])
    return {
        **{f"features.{key}": value for key, value in features.items()},
        **{f"network.{key}": value for key, value in color_net.items()},
        **parts[""],
    }


def convert_color_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the 92 keys of ``example_net.pth`` to keys of `ColorNet`."""
    return _with_counters(rename_keys(state_dict, _COLOR_NET))


def convert_vgg(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters and statistics of the Caffe layers to keys of `GrayVGG`."""
    used = {key: value for key, value in state_dict.items() if not _UNUSED_VGG.match(key)}
    return _with_counters(rename_keys(used, _VGG))


def _with_counters(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the unused batch counters of normalization layers."""
    means = [key for key in state_dict if key.endswith(".running_mean")]
    counters = {key.replace("running_mean", _COUNTER): torch.tensor(0) for key in means}
    return {**counters, **state_dict}
