"""From tokens to pixels: the local stabilizing layer of iColoriT, and the two heads it is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.zoo.yun2023.settings import Head

_HEADS = 8  # of the attention head


class ConvolutionHead(nn.Module):
    """The local stabilizing layer: each token speaks after looking at its eight neighbors.

    Args:
        width: Channels of a token.
        out: Numbers that a token becomes.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, padding=1, padding_mode="reflect")

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(B, N, width)``, a square row by row, to ``(B, N, out)``."""
        batch, count, width = tokens.shape
        side = round(count**0.5)
        square = tokens.transpose(1, 2).reshape(batch, width, side, side)
        spoken: Tensor = self.conv(square)
        return spoken.flatten(2).transpose(1, 2)


class NeighborAttentionHead(nn.Module):
    """Attention of each token to itself and its eight neighbors.

    Args:
        width: Channels of a token.
        out: Numbers that a token becomes.
        side: Tokens along each side of the square.
    """

    near: Tensor

    def __init__(self, width: int, out: int, side: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, out)
        place = torch.cartesian_prod(torch.arange(side), torch.arange(side))
        apart = (place[:, None] - place).abs().amax(dim=-1)
        self.register_buffer("near", apart <= 1, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(B, N, width)``, a square row by row, to ``(B, N, out)``."""
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, _HEADS, width // _HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self.near)
        spoken: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return spoken


def build_head(kind: Head, width: int, out: int, side: int) -> nn.Module:
    """Build a head for ``side`` x ``side`` tokens."""
    if kind == "convolution":
        return ConvolutionHead(width, out)
    return nn.Linear(width, out) if kind == "linear" else NeighborAttentionHead(width, out, side)


def to_pixels(spoken: Tensor, patch: int) -> Tensor:
    """Lay out what tokens say: ``(B, N, patch * patch * 2)`` becomes ``(B, 2, S, S)``.

    A token's numbers go by row in the patch, then column, then a and b: another order than PixelShuffle's.
    """
    batch, count, _ = spoken.shape
    side = round(count**0.5)
    pixels = spoken.view(batch, side, side, patch, patch, 2).permute(0, 5, 1, 3, 2, 4)
    return pixels.reshape(batch, 2, side * patch, side * patch)
