"""Axial cross-attention between image and reference (Axial-DeepLab, Wang et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8


class AxialAttention(nn.Module):
    """Cross-attention of each position to the reference positions in the same column.

    Queries come from the image, and keys and values come from the reference. Queries and keys have half as
    many channels per head as values.

    Args:
        channels: Number of channels of the image map and the reference map; a multiple of 16.
        side: Height of both maps in positions.
        positions: Whether query, key and value have learned relative position embeddings.
    """

    relative: nn.Parameter | None

    def __init__(self, channels: int, side: int, *, positions: bool) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        self.in_proj_weight = nn.Parameter(torch.empty(2 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(2 * channels))
        self.relative = None
        deviation = (channels // HEADS) ** -0.5
        if positions:
            self.relative = nn.Parameter(deviation * torch.randn(2 * channels // HEADS, 2 * side - 1))
            nn.init.normal_(self.in_proj_weight, std=deviation)
        else:
            nn.init.xavier_uniform_(self.in_proj_weight)
        self.out_proj = nn.Linear(channels, channels)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the attention output ``(B, C, H, W)``.

        Args:
            query: ``(B, C, H, W)``, image map.
            key: ``(B, C, H, W)``, reference map.
        """
        return self.attend(query, key)[0]

    def attend(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of `forward` and the attention weights.

        The weights have the shape ``(B, W, heads, H, H)``, with queries on axis 3 and keys on axis 4.
        """
        half = self.channels // 2
        image, reference = (each.permute(0, 3, 2, 1) for each in (query, key))
        q = _heads(F.linear(image, self.in_proj_weight[:half], self.in_proj_bias[:half]))
        both = F.linear(reference, self.in_proj_weight[half:], self.in_proj_bias[half:])
        k, v = (_heads(each) for each in torch.split(both, [half, self.channels], dim=3))
        if self.relative is None:
            weights = torch.softmax(v.shape[-1] ** -0.5 * q @ k.mT, dim=-1)
            attended = weights @ v
        else:
            weights, attended = _attend_with_positions(q, k, v, self.relative)
        joined: Tensor = self.out_proj(attended.transpose(2, 3).flatten(3))
        return joined.permute(0, 3, 2, 1), weights


class BothAxes(nn.Module):
    """`AxialAttention` along columns followed by `AxialAttention` along rows.

    Args:
        channels: Number of channels of the image map and the reference map; a multiple of 16.
        side: Height and width of both maps in positions.
        positions: Whether query, key and value have learned relative position embeddings.
    """

    def __init__(self, channels: int, side: int, *, positions: bool) -> None:
        super().__init__()
        self.rows = AxialAttention(channels, side, positions=positions)
        self.cols = AxialAttention(channels, side, positions=positions)

    def forward(self, query: Tensor, key: Tensor, plain_key: Tensor) -> Tensor:
        """Attend along columns with ``key``, then along rows with ``plain_key``.

        As in the authors' code, only the first attention layer receives normalized reference features.

        Args:
            query: ``(B, C, H, W)``, image features.
            key: ``(B, C, H, W)``, reference features after normalization.
            plain_key: ``(B, C, H, W)``, reference features without normalization.

        Returns:
            ``(B, C, H, W)``.
        """
        along: Tensor = self.rows(query, key)
        across: Tensor = self.cols(along.mT, plain_key.mT)
        return across.mT


def _attend_with_positions(q: Tensor, k: Tensor, v: Tensor, relative: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and output of position-sensitive attention (Axial-DeepLab).

    Args:
        q: ``(B, W, heads, H, D)`` queries.
        k: ``(B, W, heads, H, D)`` keys.
        v: ``(B, W, heads, H, 2 * D)`` values.
        relative: ``(4 * D, 2 * H - 1)`` embeddings for queries, keys and values by the offset of positions.
    """
    side, size = q.shape[-2:]
    steps = torch.arange(side, device=q.device)
    offsets = steps[:, None] - steps + side - 1  # query minus key, shifted to start at 0
    for_query, for_key = relative[:size, offsets], relative[size : 2 * size, offsets.T]
    scores = q @ k.mT + torch.einsum("bwhid,dij->bwhij", q, for_query)
    weights = torch.softmax(scores + torch.einsum("bwhjd,dij->bwhij", k, for_key), dim=-1)
    for_value = relative[2 * size :, offsets]
    return weights, weights @ v + torch.einsum("bwhij,dij->bwhid", weights, for_value)


def _heads(rows: Tensor) -> Tensor:
    """Split channels into heads: ``(B, W, H, C)`` to ``(B, W, heads, H, C / heads)``."""
    return rows.reshape(*rows.shape[:3], HEADS, -1).transpose(2, 3)
