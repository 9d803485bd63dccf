"""Post-norm transformer layers and position encodings of DETR (Carion et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
_TEMPERATURE = 10_000.0  # base of the frequencies of the position encoding


class AttentionStep(nn.Module):
    """Multi-head attention with a residual connection and post-normalization.

    Examples:
        >>> state = torch.rand(2, 5, 16)
        >>> AttentionStep(16)(state, state, state, state).shape
        torch.Size([2, 5, 16])

    Args:
        hidden: Number of channels.
        dropout: Dropout probability of the attention weights and of the output.
    """

    def __init__(self, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.MultiheadAttention(hidden, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, state: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend to ``key`` and ``value``, add the output to ``state`` and normalize the sum.

        Args:
            state: ``(B, N, hidden)``, the residual input.
            query: ``(B, N, hidden)``.
            key: ``(B, M, hidden)``.
            value: ``(B, M, hidden)``.

        Returns:
            ``(B, N, hidden)``.
        """
        # nn.MultiheadAttention transposes batch and sequence; its exported graph rejects batch size 1
        weights = self.attention.in_proj_weight.chunk(3)
        biases = self.attention.in_proj_bias.chunk(3)
        inputs = (query, key, value)
        q, k, v = (_split(F.linear(x, w, b)) for x, w, b in zip(inputs, weights, biases, strict=True))
        dropped = self.dropout.p if self.training else 0.0
        taken = F.scaled_dot_product_attention(q, k, v, dropout_p=dropped).transpose(1, 2).flatten(2)
        added = self.dropout(self.attention.out_proj(taken))
        return self.norm(state + added)


class FeedStep(nn.Module):
    """Feed-forward layer with a residual connection and post-normalization.

    Examples:
        >>> FeedStep(16, 64)(torch.rand(2, 5, 16)).shape
        torch.Size([2, 5, 16])

    Args:
        hidden: Number of input and output channels.
        feed: Number of channels between the two linear layers.
        dropout: Dropout probability after each linear layer.
    """

    def __init__(self, hidden: int, feed: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear1, self.linear2 = nn.Linear(hidden, feed), nn.Linear(feed, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, state: Tensor) -> Tensor:
        """Return the output ``(B, N, hidden)`` for tokens ``(B, N, hidden)``."""
        between = self.dropout(F.relu(self.linear1(state)))
        return self.norm(state + self.dropout(self.linear2(between)))


def positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return the sinusoidal position encoding of a feature map.

    The first half of the channels encodes the row, and the second half encodes the column. Rows and columns
    are numbered from 1, and the numbers are scaled so that the last number is 2 pi. The shape of the encoding
    is ``(1, height * width, channels)``.

    Examples:
        >>> positions(3, 4, 16, torch.device("cpu")).shape
        torch.Size([1, 12, 16])
    """
    half = channels // 2
    pairs = torch.arange(half, device=device) // 2
    frequency = _TEMPERATURE ** (-2 * pairs / half)

    def along(length: int) -> Tensor:
        place = torch.arange(1, length + 1, device=device, dtype=torch.float32)
        angle = (place / length * (2 * math.pi))[:, None] * frequency
        return torch.stack([angle[:, ::2].sin(), angle[:, 1::2].cos()], dim=2).flatten(1)

    rows = along(height)[:, None].expand(-1, width, -1)
    columns = along(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)[None]


def _split(tokens: Tensor) -> Tensor:
    """Split channels into heads: ``(B, n, C)`` to ``(B, heads, n, C / heads)``."""
    return tokens.reshape(*tokens.shape[:2], HEADS, -1).transpose(1, 2)
