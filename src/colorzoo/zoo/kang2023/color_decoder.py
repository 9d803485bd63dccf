"""The color decoder (Kang et al. 2023, sec. 3.3): learned queries look at three scales and become colors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
_TEMPERATURE = 10_000.0
_EPSILON = 1e-6


class ColorDecoder(nn.Module):
    """Queries that attend to one scale after the other.

    Args:
        channels: Of the maps, the coarsest first.
        hidden: Channels of queries and tokens; 256 in the paper.
        queries: How many colors it knows.
        layers: How many; layer i looks at map ``i mod len(channels)``.
        feed: Hidden channels of the feed-forward steps.
    """

    def __init__(self, channels: Sequence[int], hidden: int, queries: int, layers: int, feed: int) -> None:
        super().__init__()
        self.query_feat = nn.Embedding(queries, hidden)
        self.query_embed = nn.Embedding(queries, hidden)
        self.level_embed = nn.Embedding(len(channels), hidden)
        self.input_proj = nn.ModuleList([nn.Conv2d(each, hidden, 1) for each in channels])
        self.layers = nn.ModuleList([ColorLayer(hidden, feed) for _ in range(layers)])
        self.decoder_norm = nn.LayerNorm(hidden)
        self.color_embed = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(3)])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return color embeddings ``(B, queries, hidden)`` from maps ``(B, C, h, w)``, the coarsest first."""
        levels = [self._tokens(level, each) for level, each in enumerate(maps)]
        state = self.query_feat.weight.expand(len(maps[0]), -1, -1)
        place = self.query_embed.weight
        for index, layer in enumerate(self.layers):
            tokens, keys = levels[index % len(levels)]
            state = layer(state, place, keys, tokens)
        return self._embed(self.decoder_norm(state))

    def _tokens(self, level: int, each: Tensor) -> tuple[Tensor, Tensor]:
        """Return what attention takes of a map ``(B, h w, hidden)``, and where it looks for it."""
        projected = self.input_proj[level](each)
        tokens = projected.flatten(2).transpose(1, 2) + self.level_embed.weight[level]
        hidden = tokens.shape[-1]
        return tokens, tokens + positions(each.shape[-2], each.shape[-1], hidden, each.device)

    def _embed(self, state: Tensor) -> Tensor:
        first, second, last = self.color_embed
        embedded: Tensor = last(F.relu(second(F.relu(first(state)))))
        return embedded


class ColorLayer(nn.Module):
    """Queries look at the picture, then at each other, then think; normalized after each.

    Args:
        hidden: Channels.
        feed: Hidden channels of the last step.
    """

    def __init__(self, hidden: int, feed: int) -> None:
        super().__init__()
        self.cross, self.among = AttentionStep(hidden), AttentionStep(hidden)
        self.feed = FeedStep(hidden, feed)

    def forward(self, state: Tensor, place: Tensor, keys: Tensor, tokens: Tensor) -> Tensor:
        """Return the next state of the queries.

        Args:
            state: ``(B, queries, hidden)``.
            place: ``(queries, hidden)``, added to queries wherever they are compared.
            keys: ``(B, n, hidden)``, what they are compared with.
            tokens: ``(B, n, hidden)``, what they take.
        """
        state = self.cross(state, state + place, keys, tokens)
        state = self.among(state, state + place, state + place, state)
        thought: Tensor = self.feed(state)
        return thought


class AttentionStep(nn.Module):
    """Attention added to the state, then normalized.

    Args:
        hidden: Channels.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(hidden, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, state: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return ``(B, queries, hidden)``."""
        taken, _ = self.attention(query, key, value, need_weights=False)
        return self.norm(state + taken)  # type: ignore[no-any-return]


class FeedStep(nn.Module):
    """Two linear layers added to the state, then normalized.

    Args:
        hidden: Channels.
        feed: Channels between the layers.
    """

    def __init__(self, hidden: int, feed: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(hidden, feed), nn.Linear(feed, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(B, queries, hidden)``."""
        return self.norm(state + self.linear2(F.relu(self.linear1(state))))  # type: ignore[no-any-return]


def positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return sines and cosines of the place of each cell, ``(1, height width, channels)``.

    The first half of the channels tells the row, counted from 1 and scaled to one turn, the other the column.
    """
    half = channels // 2
    pairs = torch.arange(half, device=device) // 2
    frequency = _TEMPERATURE ** (-2 * pairs / half)

    def along(length: int) -> Tensor:
        place = torch.arange(1, length + 1, device=device, dtype=torch.float32)
        angle = (place / (length + _EPSILON) * (2 * math.pi))[:, None] * frequency
        return torch.stack([angle[:, ::2].sin(), angle[:, 1::2].cos()], dim=2).flatten(1)

    cell = torch.arange(height * width, device=device)
    return torch.cat([along(height)[cell // width], along(width)[cell % width]], dim=1)[None]
