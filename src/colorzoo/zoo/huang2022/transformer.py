"""Hybrid-Transformer: predicts cell codes from gray features, known codes and hints.

Gray tokens precede color tokens, each in row-major order. Layer names match the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.settings import PositiveInt

_EPSILON = 1e-5
_DEVIATION = 0.02


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


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of the Hybrid-Transformer.

    Attributes:
        embedding: Number of token channels.
        heads: Number of attention heads.
        layers: Number of transformer blocks.
        rows: Maximum number of rows in the cell grid.
        columns: Maximum number of columns in the cell grid.
    """

    embedding: PositiveInt = 512
    heads: PositiveInt = 16
    layers: PositiveInt = 24
    rows: PositiveInt = 16
    columns: PositiveInt = 16


class HybridTransformer(nn.Module):
    """Transformer with full attention over gray and color tokens.

    Args:
        sizes: Sizes of the transformer.
        gray_width: Number of channels of the gray features.
        codes: Number of color codes in the codebook.
    """

    def __init__(self, sizes: TransformerSizes, gray_width: int, codes: int) -> None:
        super().__init__()
        width = sizes.embedding
        self.mask_token = codes
        self.pos_emb = nn.Parameter(torch.zeros(1, 2 * sizes.rows * sizes.columns, width))
        self.cond_emb = nn.Parameter(torch.zeros(width))
        self.tok_emb = nn.Embedding(codes + 1, width)
        self.gray_input = nn.Linear(gray_width, width)
        self.cond_input = nn.Linear(3, width)
        self.blocks = nn.ModuleList([Block(width, sizes.heads) for _ in range(sizes.layers)])
        self.ln_f = nn.LayerNorm(width, eps=_EPSILON)
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
        x = torch.cat([self.gray_input(gray), self.embed_colors(codes, hints)], dim=1)
        return x + self.pos_emb[:, : x.shape[1]]

    def embed_colors(self, codes: Tensor, hints: Hints) -> Tensor:
        """Embed codes and hints as color tokens ``(B, rows * columns, C)``.

        Position embeddings are not included; for arguments, see `forward`.
        """
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
        return torch.where(is_hinted, hint_tokens[last_hint].view_as(tokens), tokens)


class Block(nn.Module):
    """Pre-norm transformer block with attention and an MLP.

    Args:
        width: Number of token channels.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = (nn.LayerNorm(width, eps=_EPSILON) for _ in range(2))
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
        query, key, value = (self.split_heads(layer(x)) for layer in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))

    def split_heads(self, x: Tensor) -> Tensor:
        """Split channels ``(B, N, C)`` into heads ``(B, heads, N, c)``."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
