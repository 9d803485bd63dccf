"""Blocks for feature maps ``(B, H, W, C)``, in which normalization and linear layers need no copies."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
"""Negative slope of the leaky ReLU."""
INITIAL_SCALE = 0.1
"""Factor on the initial weights of the last layer of each block and head."""


class ChannelsLastConv2d(nn.Conv2d):
    """Convolution of feature maps ``(B, H, W, C)``, with the arguments of `torch.nn.Conv2d`."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the output ``(B, H', W', D)`` for feature maps ``(B, H, W, C)``."""
        return super().forward(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ResidualBlock(nn.Module):
    """Residual block: layer normalization and two 3 x 3 convolutions.

    Args:
        width: Number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = ChannelsLastConv2d(width, width, 3, padding=1)
        self.second = ChannelsLastConv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(INITIAL_SCALE)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block to feature maps ``(B, H, W, C)``; the output has the same shape."""
        inner = F.leaky_relu(self.first(self.norm(maps)), SLOPE)
        return maps + self.second(inner)


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
        self.position = ChannelsLastConv2d(width, width, 3, padding=1, groups=width)
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
        maps = maps + self.position(maps)
        batch, height, width, _ = maps.shape
        parts = self.qkv(self.norm(maps)).view(batch, height * width, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        query = F.normalize(query.float(), dim=-1) * self.scale.clamp(max=50)
        share = (query @ F.normalize(key.float(), dim=-1).transpose(-1, -2)).softmax(-1)
        attended = (share.to(value.dtype) @ value).transpose(1, 2).reshape(maps.shape)
        maps = maps + self.merge(attended)
        return maps + self.mlp_out(F.leaky_relu(self.mlp_in(self.mlp_norm(maps)), SLOPE))


def downscale(width: int, wider: int) -> nn.Sequential:
    """Return a normalization and a convolution that downsample feature maps ``(B, H, W, C)`` by 2.

    Args:
        width: Input channels.
        wider: Output channels.
    """
    reduce = ChannelsLastConv2d(width, wider, 2, stride=2)
    return nn.Sequential(OrderedDict(norm=nn.LayerNorm(width), reduce=reduce))


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


class EncoderDecoder(nn.Module):
    """Encoder to 1/32 of the image size, global vector, and decoder to 1/4 of the image size.

    A subclass calls `add_decoder`, adds layers for the outputs, and defines ``forward``.

    Args:
        in_channels: Channels of the input.
        stem: Channels of the encoder at 1/2 and 1/4 of the image size.
        widths: Channels of the encoder at 1/8, 1/16 and 1/32 of the image size.
        blocks: Number of encoder blocks at 1/8, 1/16 and 1/32 of the image size.
        vector: Length of the global vector, which is computed from the last feature map of the encoder.
    """

    def __init__(
        self,
        in_channels: int,
        stem: tuple[int, int],
        widths: tuple[int, int, int],
        blocks: tuple[int, int, int],
        vector: int,
    ) -> None:
        super().__init__()
        half, quarter = stem
        eighth, sixteenth, coarsest = widths
        self.channels = (quarter, eighth, sixteenth, coarsest)
        count8, count16, count32 = blocks
        self.stem_half = ChannelsLastConv2d(in_channels, half, 5, stride=2, padding=2)
        self.stem_quarter = ChannelsLastConv2d(half, quarter, 3, stride=2, padding=1)
        self.stem_norm = nn.LayerNorm(quarter)
        self.down8 = downscale(quarter, eighth)
        self.stage8 = nn.Sequential(*(ResidualBlock(eighth) for _ in range(count8)))
        self.down16 = downscale(eighth, sixteenth)
        self.stage16 = nn.Sequential(*(ResidualBlock(sixteenth) for _ in range(count16)))
        self.down32 = downscale(sixteenth, coarsest)
        self.stage32 = nn.Sequential(*(AttentionBlock(coarsest) for _ in range(count32)))
        self.vector_norm = nn.LayerNorm(coarsest)
        self.vector = nn.Linear(coarsest, vector)

    def add_decoder(self, width: int) -> None:
        """Add the decoder with ``width`` output channels."""
        quarter, eighth, sixteenth, coarsest = self.channels
        vector = self.vector.out_features
        self.up16 = Upscale(coarsest, sixteenth, sixteenth, vector)
        self.up8 = Upscale(sixteenth, eighth, eighth, vector)
        self.up4 = Upscale(eighth, quarter, width, vector)
        self.head_norm = nn.LayerNorm(width)

    def stem(self, image: Tensor) -> Tensor:
        """Map an image ``(B, H, W, C)`` to feature maps ``(B, H / 4, W / 4, D)``."""
        half = F.leaky_relu(self.stem_half(image), SLOPE)
        normalized: Tensor = self.stem_norm(self.stem_quarter(half))
        return normalized

    def decode(self, maps: tuple[Tensor, Tensor, Tensor, Tensor], vector: Tensor) -> Tensor:
        """Decode the encoder maps and the global vector to normalized features ``(B, H / 4, W / 4, D)``.

        Args:
            maps: Encoder maps ``(B, h, w, C)`` at 1/4, 1/8, 1/16 and 1/32 of the image size.
            vector: ``(B, V)``, global vector.
        """
        maps4, maps8, maps16, maps32 = maps
        decoded = self.up16(maps32, maps16, vector)
        decoded = self.up8(decoded, maps8, vector)
        return self.head_norm(self.up4(decoded, maps4, vector))
