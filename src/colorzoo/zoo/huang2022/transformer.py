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
        return self.logits(x[:, gray.shape[1] :])

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
        place = (image * rows + row) * columns + column
        order = torch.arange(len(place), device=place.device)
        nothing = torch.full((codes.numel(),), -1, device=place.device)
        latest = nothing.scatter_reduce(0, place, order, "amax")
        hinted = (self.cond_input(hints.rgb) + self.cond_emb).to(tokens.dtype)
        # the extra row for unhinted cells keeps the hint layers in the graph if there is no hint
        chosen = torch.cat([hinted, tokens.new_zeros(1, tokens.shape[-1])])[latest]
        return torch.where((latest >= 0).view(*tokens.shape[:2], 1), chosen.view_as(tokens), tokens)

    def logits(self, x: Tensor) -> Tensor:
        """Return the code logits ``(..., codes)`` of color tokens ``(..., C)``."""
        return self.head(self.ln_f(x))


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
        normalized = self.ln1(x)
        return self.attend(x, normalized, *self.attn.keys_and_values(normalized))

    def attend(self, x: Tensor, normalized: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Apply the attention and the MLP, each with a residual connection.

        Args:
            x: Tokens ``(B, n, C)``.
            normalized: Tokens ``(B, n, C)`` after the first layer normalization.
            key: Keys ``(B, heads, N, c)``.
            value: Values ``(B, heads, N, c)``.
        """
        x = x + self.attn(normalized, key, value)
        return x + self.mlp(self.ln2(x))


class Attention(nn.Module):
    """Multi-head attention.

    Args:
        width: Number of token channels.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def keys_and_values(self, normalized: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values, each ``(B, heads, n, c)``, of tokens ``(B, n, C)``."""
        return self.split(self.key(normalized)), self.split(self.value(normalized))

    def forward(self, normalized: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from tokens ``(B, n, C)`` to keys and values ``(B, heads, N, c)``."""
        taken = F.scaled_dot_product_attention(self.split(self.query(normalized)), key, value)
        return self.proj(taken.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """Split channels ``(B, n, C)`` into heads ``(B, heads, n, c)``."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
