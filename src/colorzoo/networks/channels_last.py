"""Blocks for feature maps ``(B, H, W, C)``, in which normalization and linear layers need no copies."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
"""Negative slope of the leaky ReLU."""
INITIAL_SCALE = 0.1
"""Factor on the initial weights of the last layer of each block and head."""


class ResidualBlock(nn.Module):
    """Residual block: layer normalization and two 3 x 3 convolutions.

    Args:
        width: Number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(INITIAL_SCALE)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block to feature maps ``(B, H, W, C)``; the output has the same shape."""
        inner = F.leaky_relu(convolve(self.first, self.norm(maps)), SLOPE)
        return maps + convolve(self.second, inner)


class AttentionBlock(nn.Module):
    """Transformer block: depthwise convolution, cosine attention over all positions, MLP.

    The convolution encodes the position.

    Args:
        width: Number of channels.
        head: Number of channels per attention head.
    """

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = width // head
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.full((self.heads, 1, 1), 16.0))
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 3 * width)
        self.mlp_out = nn.Linear(3 * width, width)
        with torch.no_grad():
            self.merge.weight.mul_(INITIAL_SCALE)
            self.mlp_out.weight.mul_(INITIAL_SCALE)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block to feature maps ``(B, H, W, C)``; the output has the same shape."""
        maps = maps + convolve(self.position, maps)
        batch, height, width, _ = maps.shape
        parts = self.qkv(self.norm(maps)).view(batch, height * width, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        query = F.normalize(query.float(), dim=-1) * self.scale.clamp(max=50)
        share = (query @ F.normalize(key.float(), dim=-1).transpose(-1, -2)).softmax(-1)
        attended = (share.to(value.dtype) @ value).transpose(1, 2).reshape(maps.shape)
        maps = maps + self.merge(attended)
        return maps + self.mlp_out(F.leaky_relu(self.mlp_in(self.mlp_norm(maps)), SLOPE))


class Downscale(nn.Module):
    """Downsampling by 2: layer normalization and a convolution with stride 2.

    Args:
        width: Input channels.
        wider: Output channels.
    """

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reduce = nn.Conv2d(width, wider, 2, stride=2)

    def forward(self, maps: Tensor) -> Tensor:
        """Downsample feature maps ``(B, H, W, C)`` to ``(B, H / 2, W / 2, D)``."""
        return convolve(self.reduce, self.norm(maps))


class Upscale(nn.Module):
    """Decoder stage that upsamples by 2 and adds a skip connection and the global vector.

    Args:
        coarse: Channels of the coarse feature maps, which are upsampled.
        skip: Channels of the encoder feature maps in the skip connection.
        width: Output channels.
        vector: Length of the global vector.
    """

    def __init__(self, coarse: int, skip: int, width: int, vector: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(coarse)
        self.narrow = nn.Linear(coarse, width)
        self.skip_norm = nn.LayerNorm(skip)
        self.skip = nn.Linear(skip, width)
        self.vector = nn.Linear(vector, width)
        self.block = ResidualBlock(width)

    def forward(self, coarse: Tensor, skip: Tensor, vector: Tensor) -> Tensor:
        """Upsample the coarse feature maps and add the projected skip connection and vector.

        Args:
            coarse: ``(B, h / 2, w / 2, C)``, feature maps of the previous stage.
            skip: ``(B, h, w, S)``, feature maps of the encoder.
            vector: ``(B, V)``, global vector.
        """
        narrow = self.narrow(self.norm(coarse)).permute(0, 3, 1, 2)
        maps = F.interpolate(narrow, scale_factor=2.0, mode="bilinear").permute(0, 2, 3, 1)
        return self.block(maps + self.skip(self.skip_norm(skip)) + self.vector(vector)[:, None, None])


def convolve(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """Apply a convolution to channels-last maps."""
    found: Tensor = layer(maps.permute(0, 3, 1, 2))
    return found.permute(0, 2, 3, 1)
