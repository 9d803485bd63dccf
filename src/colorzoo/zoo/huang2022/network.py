"""Networks of UniColor (Huang et al. 2022): Chroma-VQGAN and Hybrid-Transformer.

Chroma-VQGAN is an autoencoder with discrete color codes and continuous gray features. Images are RGB in
[-1, 1]; height and width are multiples of 16. One code represents a cell of 16 x 16 pixels.

The Hybrid-Transformer predicts cell codes from gray features, known codes and hints. Gray tokens precede
color tokens, each in row-major order. Layer names match the authors' code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.networks.blocks import conv3x3
from colorzoo.precision import distances

CELL = 16
"""Side of a cell in pixels."""

_GROUPS = 32
_EPSILON = 1e-4
_LAYER_EPSILON = 1e-5
_DEVIATION = 0.02
_BETA = 0.25  # weight of the codebook term; the encoder term has weight 1 (the reverse of most VQ papers)


class Quantized(NamedTuple):
    """Quantized color features of a batch.

    Attributes:
        vectors: ``(B, C, h, w)``, nearest code vectors, with a straight-through gradient to the features.
        codes: ``(B, h, w)`` int64, indices of the code vectors in the codebook.
        loss: Codebook loss, a scalar.
        perplexity: Exponential of the entropy of the batch's codes, a scalar: the effective number of codes.
    """

    vectors: Tensor
    codes: Tensor
    loss: Tensor
    perplexity: Tensor


class ChromaVQGAN(nn.Module):
    """Color encoder, gray encoder, codebook and decoder.

    Args:
        channels: Base number of channels, which is multiplied by ``multipliers``.
        multipliers: Channel multipliers of the resolution levels, finest first.
        attention: Indices of the resolution levels with attention.
        blocks: Number of residual blocks per encoder level. Decoder levels have one more block.
        latent: Number of output channels of the color encoder.
        code_width: Number of channels of code vectors and gray features.
        codes: Number of color codes in the codebook.
    """

    def __init__(
        self,
        channels: int,
        multipliers: Sequence[int],
        attention: Sequence[int],
        blocks: int,
        latent: int,
        code_width: int,
        codes: int,
    ) -> None:
        super().__init__()
        widths = [channels * each for each in multipliers]
        self.encoder = Encoder(3, latent, widths, attention, blocks)
        self.gray_encoder = Encoder(1, code_width, widths, attention, blocks)
        self.quant_conv = nn.Conv2d(latent, code_width, 1)
        self.quantize = Quantizer(codes, code_width)
        self.post_quant_conv = nn.Conv2d(2 * code_width, 2 * latent, 1)
        self.decoder = Decoder(2 * latent, widths, attention, blocks)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstruct RGB ``(B, 3, H, W)`` in [-1, 1] from its color codes and gray version.

        Returns:
            Reconstruction ``(B, 3, H, W)``, not clipped to [-1, 1], and quantized color features.
        """
        quantized = self.quantize(self.color_features(rgb))
        return self.decode(quantized.vectors, self.gray_encoder(rgb_to_gray(rgb))), quantized

    def color_features(self, rgb: Tensor) -> Tensor:
        """Return color features ``(B, C, h, w)``, before quantization, of RGB in [-1, 1]."""
        return self.quant_conv(self.encoder(rgb))

    def encode(self, rgb: Tensor) -> Tensor:
        """Return the color codes ``(B, h, w)`` of RGB ``(B, 3, H, W)`` in [-1, 1]."""
        return self.quantize.nearest(self.color_features(rgb))

    def decode(self, vectors: Tensor, gray_features: Tensor) -> Tensor:
        """Decode code vectors and gray features, each ``(B, C, h, w)``, to unclipped RGB."""
        return self.decoder(self.post_quant_conv(torch.cat([vectors, gray_features], dim=1)))


class Quantizer(nn.Module):
    """Vector quantizer with a learned codebook.

    Args:
        codes: Number of code vectors in the codebook.
        width: Number of channels of a code vector.
    """

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)

    def forward(self, features: Tensor) -> Quantized:
        """Replace each feature vector of ``(B, C, h, w)`` with the nearest code vector."""
        codes = self.nearest(features)
        vectors = self.vectors(codes)
        loss = F.mse_loss(vectors.detach(), features) + _BETA * F.mse_loss(vectors, features.detach())
        share = torch.bincount(codes.flatten(), minlength=self.embedding.num_embeddings) / codes.numel()
        perplexity = torch.exp(-(share * (share + 1e-10).log()).sum())
        return Quantized(features + (vectors - features).detach(), codes, loss, perplexity)

    def nearest(self, features: Tensor) -> Tensor:
        """Return the indices ``(B, h, w)`` of the code vectors nearest to the features."""
        batch, width, *size = features.shape
        rows = features.float().permute(0, 2, 3, 1).reshape(-1, width)
        return distances(rows, self.embedding.weight.float()).argmin(dim=1).view(batch, *size)

    def vectors(self, codes: Tensor) -> Tensor:
        """Return the code vectors ``(B, C, h, w)`` of codes ``(B, h, w)``."""
        found: Tensor = self.embedding(codes)
        return found.permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Encoder with residual blocks at five resolution levels.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        widths: Channels of the resolution levels, finest first.
        attention: Indices of the resolution levels with attention.
        blocks: Number of residual blocks per level.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int],
        attention: Sequence[int],
        blocks: int,
    ) -> None:
        super().__init__()
        self.conv_in = conv3x3(in_channels, widths[0])
        self.down = nn.ModuleList()
        before = widths[0]
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            attends = level in attention
            self.down.append(_Level(before, width, blocks, attends=attends, downsample=not last))
            before = width
        self.mid = _middle(before)
        self.norm_out = _norm(before)
        self.conv_out = conv3x3(before, out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Encode images ``(B, in_channels, H, W)`` as features ``(B, out_channels, H/16, W/16)``."""
        x = self.conv_in(image)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Decoder that mirrors `Encoder`.

    Args:
        in_channels: Number of input channels.
        widths: Channels of the resolution levels, finest first.
        attention: Indices of the resolution levels with attention.
        blocks: Number of residual blocks per level of the encoder.
    """

    def __init__(
        self, in_channels: int, widths: Sequence[int], attention: Sequence[int], blocks: int
    ) -> None:
        super().__init__()
        before = widths[-1]
        self.conv_in = conv3x3(in_channels, before)
        self.mid = _middle(before)
        levels: list[nn.Module] = []
        for level in reversed(range(len(widths))):
            attends = level in attention
            levels.append(_Level(before, widths[level], blocks + 1, attends=attends, upsample=level > 0))
            before = widths[level]
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = _norm(before)
        self.conv_out = conv3x3(before, 3)

    def forward(self, features: Tensor) -> Tensor:
        """Decode features ``(B, in_channels, h, w)`` to unclipped RGB ``(B, 3, 16 h, 16 w)``."""
        x = self.mid(self.conv_in(features))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class _Level(nn.Module):
    """Residual blocks at one scale, with optional attention and resampling.

    Attribute names are keys of the published state dict.

    Args:
        in_channels: Number of input channels of the first block.
        out_channels: Number of output channels of all blocks.
        blocks: Number of residual blocks.
        attends: Whether self-attention follows each block.
        downsample: Whether a convolution halves the resolution after the blocks.
        upsample: Whether the resolution is doubled after the blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        blocks: int,
        *,
        attends: bool,
        downsample: bool = False,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList([_ResidualBlock(in_channels, out_channels)])
        self.block.extend(_ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1))
        self.attn = nn.ModuleList()
        if attends:
            self.attn.extend(_Attention(out_channels) for _ in range(blocks))
        self.downsample = nn.Sequential()  # without layers, this is the identity
        self.upsample = nn.Sequential()
        if downsample:
            pad = nn.ZeroPad2d((0, 1, 0, 1))  # only at the right and bottom
            conv = nn.Conv2d(out_channels, out_channels, 3, stride=2)
            self.downsample = nn.Sequential(OrderedDict(pad=pad, conv=conv))
        if upsample:
            up = nn.Upsample(scale_factor=2)
            self.upsample = nn.Sequential(OrderedDict(up=up, conv=conv3x3(out_channels, out_channels)))

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        return self.upsample(self.downsample(x))


def _middle(width: int) -> nn.Sequential:
    blocks = [_ResidualBlock(width, width) for _ in range(2)]
    return nn.Sequential(OrderedDict(block_1=blocks[0], attn_1=_Attention(width), block_2=blocks[1]))


class _ResidualBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(in_channels), conv3x3(in_channels, out_channels)
        self.norm2, self.conv2 = _norm(out_channels), conv3x3(out_channels, out_channels)
        self.nin_shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(x)))
        inner = self.conv2(F.silu(self.norm2(inner)))
        return self.nin_shortcut(x) + inner


class _Attention(nn.Module):
    """Single-head self-attention over all positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        query, key, value = (part(normed).flatten(2).mT[:, None] for part in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(query, key, value)[:, 0].mT
        mixed: Tensor = self.proj_out(attended.reshape(x.shape))
        return x + mixed


def _norm(width: int) -> Any:
    return nn.GroupNorm(_GROUPS, width, eps=_EPSILON)


@dataclass(frozen=True)
class Hints:
    """Cell hints for a batch of images.

    Attributes:
        cells: ``(n, 3)`` int64: image index, row and column. The last hint of a cell is used.
        rgb: ``(n, 3)`` in [-1, 1], color of each hint.
    """

    cells: Tensor
    rgb: Tensor

    @classmethod
    def none(cls, device: torch.device | None = None) -> Hints:
        """Return `Hints` without any hint, for images without guidance."""
        rgb = torch.zeros(0, 3, dtype=torch.float32, device=device)
        return cls(torch.zeros(0, 3, dtype=torch.int64, device=device), rgb)

    def to(self, device: torch.device) -> Hints:
        """Return a copy of the hints on a device."""
        return Hints(self.cells.to(device), self.rgb.to(device))


class HybridTransformer(nn.Module):
    """Transformer with full attention over gray and color tokens.

    Args:
        gray_width: Number of channels of the gray features.
        codes: Number of color codes in the codebook.
        width: Number of token channels.
        heads: Number of attention heads.
        layers: Number of transformer blocks.
        cells: Maximum number of cells in the grid.
    """

    def __init__(self, gray_width: int, codes: int, width: int, heads: int, layers: int, cells: int) -> None:
        super().__init__()
        self.mask_token = codes
        self.pos_emb = nn.Parameter(torch.zeros(1, 2 * cells, width))
        self.cond_emb = nn.Parameter(torch.zeros(width))
        self.tok_emb = nn.Embedding(codes + 1, width)
        self.gray_input = nn.Linear(gray_width, width)
        self.cond_input = nn.Linear(3, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width, eps=_LAYER_EPSILON)
        self.head = nn.Linear(width, codes, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_DEVIATION)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, gray: Tensor, codes: Tensor, hints: Hints) -> Tensor:
        """Predict the logits of the color codes for all cells.

        Args:
            gray: Gray features ``(B, rows * columns, G)``, row-major.
            codes: Codes ``(B, rows, columns)``, with `mask_token` for unknown codes.
            hints: Cell hints. In a hinted cell, the token of the hint replaces the token of the code.

        Returns:
            Logits ``(B, rows * columns, codes)``.
        """
        x = self.embed(gray, codes, hints)
        for block in self.blocks:
            x = block(x)
        color_tokens = x[:, gray.shape[1] :]
        return self.head(self.ln_f(color_tokens))

    def embed(self, gray: Tensor, codes: Tensor, hints: Hints) -> Tensor:
        """Return the input tokens ``(B, 2 * rows * columns, C)``; for arguments, see `forward`."""
        # color tokens (B, rows * columns, C)
        tokens: Tensor = self.tok_emb(codes.flatten(1))
        _, rows, columns = codes.shape
        image, row, column = hints.cells.unbind(dim=1)
        cell_index = (image * rows + row) * columns + column  # over all images
        # number of the last hint in each cell, -1 for cells without a hint
        hint_number = torch.arange(len(cell_index), device=cell_index.device)
        no_hint = torch.full((codes.numel(),), -1, device=cell_index.device)
        last_hint = no_hint.scatter_reduce(0, cell_index, hint_number, "amax")
        # the extra row for unhinted cells keeps the hint layers in the graph if there is no hint
        hint_tokens = (self.cond_input(hints.rgb) + self.cond_emb).to(tokens.dtype)
        hint_tokens = torch.cat([hint_tokens, tokens.new_zeros(1, tokens.shape[-1])])
        is_hinted = (last_hint >= 0).view(*tokens.shape[:2], 1)
        tokens = torch.where(is_hinted, hint_tokens[last_hint].view_as(tokens), tokens)

        x = torch.cat([self.gray_input(gray), tokens], dim=1)
        return x + self.pos_emb[:, : x.shape[1]]


class Block(nn.Module):
    """Pre-norm transformer block with attention and an MLP.

    Args:
        width: Number of token channels.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = (nn.LayerNorm(width, eps=_LAYER_EPSILON) for _ in range(2))
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to tokens ``(B, N, C)`` and return tokens of this shape."""
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Attention(nn.Module):
    """Multi-head self-attention over all tokens.

    Args:
        width: Number of token channels.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Apply self-attention to tokens ``(B, N, C)`` and return tokens of this shape."""
        query, key, value = (
            layer(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))
