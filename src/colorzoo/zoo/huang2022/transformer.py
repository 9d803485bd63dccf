"""Hybrid-Transformer: the distribution of the code of each cell, from gray features, known codes and hints.

Gray tokens come first, then color tokens, both row by row. Layers have the authors' names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.settings import Natural

_EPSILON = 1e-5
_DEVIATION = 0.02


@dataclass(frozen=True)
class Hints:
    """Colors of cells, for a batch of pictures.

    Attributes:
        cells: ``(n, 3)`` int64: picture, row and column. The last of several hints of one cell counts.
        rgb: ``(n, 3)`` in [-1, 1].
    """

    cells: Tensor
    rgb: Tensor

    @classmethod
    def none(cls, device: torch.device | None = None) -> Hints:
        """Return no hints."""
        rgb = torch.zeros(0, 3, dtype=torch.float32, device=device)
        return cls(torch.zeros(0, 3, dtype=torch.int64, device=device), rgb)

    def to(self, device: torch.device) -> Hints:
        """Return a copy on a device."""
        return Hints(self.cells.to(device), self.rgb.to(device))


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of the Hybrid-Transformer.

    Attributes:
        embedding: Channels of a token.
        heads: Heads of attention.
        layers: Blocks.
        rows: Rows of the largest map of cells.
        columns: Its columns.
    """

    embedding: Natural = 512
    heads: Natural = 16
    layers: Natural = 24
    rows: Natural = 16
    columns: Natural = 16


class HybridTransformer(nn.Module):
    """Transformer with full attention over gray and color tokens.

    Args:
        sizes: Its sizes.
        gray_width: Channels of the gray features.
        codes: Number of codes.
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
        """Return the logits of all cells.

        Args:
            gray: Gray features ``(B, rows * columns, G)``, row by row.
            codes: ``(B, rows, columns)``; `mask_token` where a code is not known. A smaller map than that of
                training uses the first positions.
            hints: Colors of cells, which replace their codes.

        Returns:
            ``(B, rows * columns, codes)``.
        """
        x = self.embed(gray, codes, hints)
        for block in self.blocks:
            x = block(x)
        return self.logits(x[:, gray.shape[1] :])

    def embed(self, gray: Tensor, codes: Tensor, hints: Hints) -> Tensor:
        """Return the tokens ``(B, 2 * rows * columns, C)``; arguments as of a call."""
        x = torch.cat([self.gray_input(gray), self.embed_colors(codes, hints)], dim=1)
        embedded: Tensor = x + self.pos_emb[:, : x.shape[1]]
        return embedded

    def embed_colors(self, codes: Tensor, hints: Hints) -> Tensor:
        """Return the color tokens ``(B, rows * columns, C)`` without their positions."""
        tokens: Tensor = self.tok_emb(codes.flatten(1))
        _, rows, columns = codes.shape
        picture, row, column = hints.cells.unbind(dim=1)
        place = (picture * rows + row) * columns + column
        order = torch.arange(len(place), device=place.device)
        nothing = torch.full((codes.numel(),), -1, device=place.device)
        latest = nothing.scatter_reduce(0, place, order, "amax")
        hinted = (self.cond_input(hints.rgb) + self.cond_emb).to(tokens.dtype)
        # the row for cells without a hint keeps the layers in the graph if no cell has one
        chosen = torch.cat([hinted, tokens.new_zeros(1, tokens.shape[-1])])[latest]
        return torch.where((latest >= 0).view(*tokens.shape[:2], 1), chosen.view_as(tokens), tokens)

    @property
    def layers(self) -> list[Block]:
        """The blocks."""
        return cast(list[Block], list(self.blocks))

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of color tokens ``(..., C)`` after the last block."""
        found: Tensor = self.head(self.ln_f(x))
        return found


class Block(nn.Module):
    """Attention and a perceptron, each after a normalization."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = (nn.LayerNorm(width, eps=_EPSILON) for _ in range(2))
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens ``(B, N, C)`` after the block."""
        seen = self.ln1(x)
        return self.finish(x, seen, *self.attn.keys_and_values(seen))

    def finish(self, x: Tensor, seen: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return the tokens after the block from given keys and values.

        Args:
            x: ``(B, n, C)``, any of the tokens.
            seen: The same after the first normalization.
            key: ``(B, heads, N, c)`` of all tokens.
            value: The same size.
        """
        x = x + self.attn(seen, key, value)
        finished: Tensor = x + self.mlp(self.ln2(x))
        return finished


class Attention(nn.Module):
    """Attention of several heads.

    Args:
        width: Channels of a token.
        heads: Heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def keys_and_values(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values ``(B, heads, n, c)`` of tokens ``(B, n, C)``."""
        return self.split(self.key(seen)), self.split(self.value(seen))

    def forward(self, seen: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what tokens ``(B, n, C)`` take from the tokens of these keys and values."""
        taken = F.scaled_dot_product_attention(self.split(self.query(seen)), key, value)
        mixed: Tensor = self.proj(taken.transpose(1, 2).flatten(2))
        return mixed

    def split(self, x: Tensor) -> Tensor:
        """Return ``(B, heads, n, c)`` of ``(B, n, C)``."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
