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
        # MultiheadAttention is not called, because it transposes batch and sequence, and its exported graph
        # rejects batch size 1
        weights = self.attention.in_proj_weight.chunk(3)
        biases = self.attention.in_proj_bias.chunk(3)
        queries, keys, values = (
            torch.unflatten(F.linear(tokens, weight, bias), 2, (HEADS, -1)).transpose(
                1, 2
            )  # split into heads
            for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        dropout = self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        joined_heads = attended.transpose(1, 2).flatten(2)
        return self.norm(state + self.dropout(self.attention.out_proj(joined_heads)))


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


def position_encoding(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return the sinusoidal position encoding of a feature map (Carion et al. 2020).

    The first half of the channels encodes the row, and the second half encodes the column.

    Examples:
        >>> position_encoding(3, 4, 16, torch.device("cpu")).shape
        torch.Size([1, 12, 16])

    Args:
        height: Number of rows.
        width: Number of columns.
        channels: Number of channels of the encoding, a multiple of 4.
        device: Device of the result.

    Returns:
        ``(1, height * width, channels)``, in row-major order.
    """
    rows = _encode_positions(height, channels // 2, device)
    columns = _encode_positions(width, channels // 2, device)
    row_map = rows[:, None].expand(-1, width, -1)  # (height, width, channels / 2)
    column_map = columns[None].expand(height, -1, -1)
    return torch.cat([row_map, column_map], dim=2).flatten(0, 1)[None]


def _encode_positions(length: int, channels: int, device: torch.device) -> Tensor:
    """Return the encoding ``(length, channels)`` of positions on one axis.

    The positions 1 to ``length`` are scaled so that the last position is 2 pi. Even channels contain sines,
    and odd channels contain cosines of the same frequencies.
    """
    pairs = torch.arange(channels, device=device) // 2
    frequencies = _TEMPERATURE ** (-2 * pairs / channels)
    position = torch.arange(1, length + 1, device=device, dtype=torch.float32)
    angles = (position / length * (2 * math.pi))[:, None] * frequencies
    return torch.stack([angles[:, ::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)
