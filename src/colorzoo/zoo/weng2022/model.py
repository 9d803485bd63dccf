"""CT2: Colorization Transformer via Color Tokens (Weng et al., ECCV 2022).

A transformer assigns each pixel a distribution over 313 color tokens, of which only those are possible that
exist in sRGB at the lightness of the pixel. https://ci.idm.pku.edu.cn/Weng_ECCV22b.pdf
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from timm.layers import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import annealed_mean, hull_centers
from colorzoo.color.bins import grid_centers, grid_index
from colorzoo.color.lab import in_gamut
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks import conv3x3, pad_to_multiple, upconv4x4
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.precision import in_float32
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Fraction, Positive, PositiveInt, Range

PATCH = 16
TRAINED_GRID = 16  # position embeddings per side, for images of 256 x 256 pixels
EXCLUDED_LOGIT = -1e4  # finite, because -inf would turn losses and exported graphs into NaN
_HEAD_WIDTH = 64
_BIN_SIDE = 10.0


def possible_bins(ranges: int) -> Tensor:
    """Return which of the 313 bins contain sRGB colors in each lightness range.

    A bin is sampled at 5 x 5 colors, its corners included, and at every integer lightness of the range.

    Args:
        ranges: Number of equal lightness ranges, at most 100; the last one includes L = 100.

    Returns:
        ``(ranges, 313)`` bool on the CPU.
    """
    with torch.device("cpu"):
        # sample each bin at 25 colors, and each color at 101 lightness values
        side_offsets = torch.linspace(-_BIN_SIDE / 2, _BIN_SIDE / 2, 5)
        offsets = torch.cartesian_prod(side_offsets, side_offsets)  # (25, 2)
        sampled_ab = (hull_centers()[:, None] + offsets).mT  # (313, 2, 25)
        ab = sampled_ab[..., None].expand(-1, -1, -1, 101)
        lightness = torch.arange(101.0)
        lab = torch.cat([lightness.expand_as(ab[:, :1]), ab], dim=1)  # (313, 3, 25, 101)
        is_possible = in_gamut(lab)[:, 0].any(dim=1)  # (313, 101), whether any of the 25 colors is
        range_index = lightness_range(lightness, ranges)
        return torch.stack([is_possible[:, range_index == index].any(dim=1) for index in range(ranges)])


def lightness_range(lightness: Tensor, ranges: int) -> Tensor:
    """Return the index of the equal lightness range of each value in [0, 100], as int64."""
    return (lightness * (ranges / 100)).long().clamp(0, ranges - 1)


class ColorTokenOutput(NamedTuple):
    """Output of `ColorTokenTransformer`.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units, decoded from the logits.
        logits: ``(B, 313, H, W)``; bins that are impossible at the lightness of a pixel have -1e4.
        regression: ``(B, 2, H, W)`` in CIE units, predicted by the regression branch.
    """

    ab: Tensor
    logits: Tensor
    regression: Tensor


class Encoder(nn.Module):
    """ViT with patches of 16 x 16 pixels; the parameter names match timm's `VisionTransformer`.

    Args:
        width: Number of channels, a multiple of 64.
        depth: Number of transformer blocks.
        drop_path: Probability of skipping the last block; earlier blocks have linearly smaller values.
    """

    def __init__(self, width: int, depth: int, drop_path: float) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, stride=PATCH)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TRAINED_GRID**2, width))
        rates = [drop_path * index / max(depth - 1, 1) for index in range(depth)]
        self.blocks = nn.Sequential(
            *(
                Block(width, width // _HEAD_WIDTH, qkv_bias=True, drop_path=rate, norm_layer=nn.LayerNorm)
                for rate in rates
            )
        )
        self.norm = nn.LayerNorm(width)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, lightness: Tensor) -> Tensor:
        """Return patch features ``(B, C, H/16, W/16)`` of lightness in [0, 100]."""
        patches = self.patch_embed["proj"](((lightness - 50) / 100).expand(-1, 3, -1, -1))
        size = patches.shape[-2:]
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), to_tokens(patches)], dim=1)
        # position embeddings, resized to the size of the image
        grid = to_map(self.pos_embed[:, 1:], (TRAINED_GRID, TRAINED_GRID))
        grid = F.interpolate(grid, size=size, mode="bilinear")
        positions = torch.cat([self.pos_embed[:, :1], to_tokens(grid)], dim=1)
        tokens = self.norm(self.blocks(tokens + positions))
        return to_map(tokens[:, 1:], size)


class MaskedBlock(nn.Module):
    """Pre-norm transformer block whose attention is restricted by a mask."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = width // _HEAD_WIDTH
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, drop=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return tokens ``(B, N, C)``; ``mask`` ``(B, 1, N, N)`` is True where a row attends to a column."""
        qkv = self.qkv(self.norm1(tokens)).unflatten(-1, (3, self.heads, _HEAD_WIDTH))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        dropout = self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        tokens = tokens + self.dropout(self.proj(mixed.transpose(1, 2).flatten(2)))
        return tokens + self.mlp(self.norm2(tokens))


class ColorTokens(nn.Module):
    """313 learned tokens, one per ab bin, with a position encoding from their neighbors in the ab plane."""

    cells: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        centers = hull_centers()
        self.tokens = nn.Parameter(torch.zeros(1, len(centers), width))
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.register_buffer("cells", grid_index(centers.T[None, :, None]).flatten(), persistent=False)
        nn.init.trunc_normal_(self.tokens, std=0.02)

    def forward(self) -> Tensor:
        """Return the tokens ``(1, 313, C)``."""
        side = round(len(grid_centers()) ** 0.5)
        plane = self.tokens.new_zeros(1, side * side, self.tokens.shape[-1])
        plane = plane.index_copy(1, self.cells, self.tokens)
        encoded = to_tokens(self.position(to_map(plane, (side, side))))
        return self.tokens + encoded[:, self.cells]


class ColorTokenTransformer(nn.Module):
    """Transformer over image patches and color tokens, with one logit per pixel and ab bin.

    Args:
        width: Number of channels of all tokens, a multiple of 64, the width of an attention head.
        encoder_depth: Number of blocks of the ViT encoder.
        decoder_depth: Number of blocks over patches and color tokens.
        ranges: Number of lightness ranges that have separate sets of possible colors; 1 to 100.
        drop_path: Maximum probability of skipping a block of the encoder in training.
        dropout: Dropout probability of the blocks over patches and color tokens.
        temperature: Temperature of the annealed mean, which decodes a distribution to a color.
    """

    centers: Tensor
    possible: Tensor

    def __init__(
        self,
        width: int,
        *,
        encoder_depth: int,
        decoder_depth: int,
        ranges: int,
        drop_path: float,
        dropout: float,
        temperature: float,
    ) -> None:
        super().__init__()
        centers = hull_centers()  # ab bins (313, 2)
        self.temperature = temperature
        self.register_buffer("centers", centers, persistent=False)
        self.register_buffer("possible", possible_bins(ranges), persistent=False)

        # image patches: ViT features with a convolutional position encoding
        self.encoder = Encoder(width, encoder_depth, drop_path)
        self.project = nn.Linear(width, width)
        self.patch_position = nn.Conv2d(width, width, 3, padding=1, groups=width)

        # color attention: transformer blocks over patches and color tokens
        self.color_tokens = ColorTokens(width)
        self.blocks = nn.ModuleList(MaskedBlock(width, dropout) for _ in range(decoder_depth))
        self.patch_conv = conv3x3(width, width)
        self.color_linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

        # color query: cosine similarity of upsampled patches and color tokens
        self.upsampler = upsampler((width,) * 5)
        self.patch_query = nn.Linear(width, width, bias=False)
        self.color_query = nn.Linear(width, width, bias=False)
        self.logit_norm = nn.LayerNorm(len(centers))

        # regression branch: ab from the patches, with fewer channels at each level
        channels = tuple(max(width // 4**level, 4) for level in range(5))
        self.regression = nn.Sequential(*upsampler(channels), conv3x3(channels[-1], 2), nn.Tanh())

        self.apply(initialize)
        for query in (self.patch_query, self.color_query):
            nn.init.normal_(query.weight, std=width**-0.5)

    def forward(self, lightness: Tensor) -> ColorTokenOutput:
        """Colorize lightness ``(B, 1, H, W)`` in [0, 100] of any size."""
        height, width = lightness.shape[-2:]
        padded = pad_to_multiple(lightness, PATCH)
        index = lightness_range(padded[:, 0], len(self.possible))
        features = self.encoder(padded)
        patches = to_map(self.project(to_tokens(features)), features.shape[-2:])
        patches, colors = self.mix(patches + self.patch_position(patches), index)
        logits = self.classify(self.upsampler(patches), colors).float()
        possible = self.possible[index].movedim(-1, 1)
        logits = logits.masked_fill(~possible, EXCLUDED_LOGIT)[:, :, :height, :width]
        regression = AB_SCALE * self.regression(patches).float()[:, :, :height, :width]
        return ColorTokenOutput(annealed_mean(logits, self.centers, self.temperature), logits, regression)

    def mix(self, patches: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Run the blocks over patches and color tokens (color attention).

        Args:
            patches: ``(B, C, h, w)``.
            index: ``(B, H, W)`` lightness range of each pixel.

        Returns:
            Patches ``(B, C, h, w)`` and color tokens ``(B, 313, C)``.
        """
        size, mask = patches.shape[-2:], self.attention_mask(index)
        colors = self.color_tokens().expand(patches.shape[0], -1, -1)
        count = colors.shape[1]
        tokens = torch.cat([to_tokens(patches), colors], dim=1)
        for block in self.blocks:
            tokens = block(tokens, mask)
        patches = to_tokens(self.patch_conv(to_map(tokens[:, :-count], size)))
        patches, colors = self.norm(patches), self.norm(self.color_linear(tokens[:, -count:]))
        return to_map(patches, size), colors

    def attention_mask(self, index: Tensor) -> Tensor:
        """Return which tokens attend to each other, ``(B, 1, N, N)`` bool, for N patches and color tokens.

        A patch and a color token attend to each other if the bin is possible at the lightness of a pixel in
        the patch. All patches attend to each other, and so do all color tokens.

        Args:
            index: ``(B, H, W)`` lightness range of each pixel.
        """
        pixels = F.one_hot(index, len(self.possible)).movedim(-1, 1).float()
        ranges = to_tokens(F.max_pool2d(pixels, PATCH))
        selected = ranges @ self.possible.float() > 0
        batch, count, bins = selected.shape
        patches = torch.cat([selected.new_ones(batch, count, count), selected], dim=2)
        colors = torch.cat([selected.mT, selected.new_ones(batch, bins, bins)], dim=2)
        return torch.cat([patches, colors], dim=1)[:, None]

    @in_float32
    def classify(self, pixels: Tensor, colors: Tensor) -> Tensor:
        """Return the normalized cosine similarity of pixels and color tokens (color query).

        Args:
            pixels: ``(B, C, H, W)``.
            colors: ``(B, 313, C)``.

        Returns:
            Logits ``(B, 313, H, W)``.
        """
        queries = F.normalize(self.patch_query(to_tokens(pixels)), dim=-1)
        keys = F.normalize(self.color_query(colors), dim=-1)
        return to_map(self.logit_norm(queries @ keys.mT), pixels.shape[-2:])


def upsampler(channels: tuple[int, int, int, int, int]) -> nn.Sequential:
    """Return four pairs of convolution and upsampling by 2; the last pair has no ReLU at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [conv3x3(inputs, inputs), nn.BatchNorm2d(inputs), nn.ReLU()]
        layers += [upconv4x4(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def initialize(module: nn.Module) -> None:
    """Initialize linear layers with a standard deviation of 0.02, as in the authors' code."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def to_tokens(maps: Tensor) -> Tensor:
    """Convert a map ``(B, C, H, W)`` to tokens ``(B, H W, C)``."""
    return maps.flatten(2).mT


def to_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Convert tokens ``(B, H W, C)`` to a map ``(B, C, H, W)``."""
    return tokens.mT.reshape(tokens.shape[0], tokens.shape[2], size[0], size[1])


class ColorTokenColorization(ColoringModel):
    """Colorization by a distribution over 313 color tokens at each pixel.

    Args:
        width: Number of channels of all tokens, a multiple of 64, the width of an attention head.
        encoder_depth: Number of blocks of the ViT encoder.
        decoder_depth: Number of blocks over patches and color tokens.
        ranges: Number of lightness ranges that have separate sets of possible colors; 1 to 100.
        drop_path: Maximum probability of skipping a block of the encoder in training.
        dropout: Dropout probability of the blocks over patches and color tokens.
        temperature: Temperature of the annealed mean, which decodes a distribution to a color.
    """

    network: ColorTokenTransformer

    def __init__(
        self,
        width: Annotated[int, Range(64, step=64)] = 1024,
        encoder_depth: PositiveInt = 24,
        decoder_depth: PositiveInt = 2,
        ranges: Annotated[int, Range(1, 100)] = 4,
        drop_path: Fraction = 0.1,
        dropout: Fraction = 0.1,
        temperature: Positive = 0.38,
    ) -> None:
        network = ColorTokenTransformer(
            width,
            encoder_depth=encoder_depth,
            decoder_depth=decoder_depth,
            ranges=ranges,
            drop_path=drop_path,
            dropout=dropout,
            temperature=temperature,
        )
        super().__init__(network)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `ColoringModel.forward`.

        ``extras["logits"]`` contains the logits ``(B, 313, H, W)`` of the ab bins, which are -1e4 for
        impossible bins. ``extras["regression"]`` contains the ab channels of the regression branch.
        """
        out = self.network(lightness)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits, "regression": out.regression})
