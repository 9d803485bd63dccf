"""DDColor: an encoder, a pixel decoder and a color decoder (Kang et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.networks.attention import AttentionStep, FeedStep, position_encoding
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.spectral import StoredSpectralConv, WideBlock, blur, spectral_shuffle

Size = Literal["tiny", "large"]
CHANNELS: dict[Size, tuple[int, ...]] = {"tiny": (96, 192, 384, 768), "large": (192, 384, 768, 1536)}


class Encoder(Protocol):
    """Encoder with four feature maps; each map has half the size of the previous map.

    Attributes:
        channels: Channels of the maps, finest first.
        stride: Stride of the coarsest map in pixels; image height and width are multiples of this stride.
        finest: Stride of the finest map in pixels.
    """

    channels: tuple[int, ...]
    stride: int
    finest: int

    def __call__(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps, finest first.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            image: Gray RGB ``(B, 3, H, W)`` with ImageNet normalization.
        """
        ...


class PixelDecoder(nn.Module):
    """Pixel decoder (section 3.2), which upsamples the encoder's feature maps.

    Args:
        channels: Channels of the encoder's maps, finest first.
        widths: Output channels of the three blocks, coarsest first.
        factor: Upsampling factor from the last block's output to the image size.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], factor: int) -> None:
        super().__init__()
        ins = [channels[-1], *widths[:-1]]
        skips = channels[-2::-1]
        self.blocks = nn.ModuleList(
            [WideBlock(i, skip, out, out) for i, skip, out in zip(ins, skips, widths, strict=True)]
        )
        self.last = spectral_shuffle(widths[-1], widths[-1], factor, norm=False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs of the three upsampling blocks, coarsest first.

        The layer `last`, which upsamples to the image size, is applied in `DDColorNetwork.combine`.

        Args:
            maps: Feature maps of the encoder, finest first.
        """
        x, out = maps[-1], []
        for block, skip in zip(self.blocks, maps[-2::-1], strict=True):
            x = block(x, skip)
            out.append(x)
        return out


class ColorDecoder(nn.Module):
    """Color decoder (section 3.3), whose layers update learned color queries.

    The queries attend to one of the pixel decoder's maps in each layer.

    Args:
        channels: Channels of the pixel decoder's maps, coarsest first.
        hidden: Channels of the queries and tokens; 256 in the paper.
        queries: Number of color queries.
        layers: Number of layers. In layer i, the queries attend to map ``i mod len(channels)``.
        feed: Hidden channels of the feed-forward layers.
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
        """Return color embeddings ``(B, queries, hidden)``.

        Args:
            maps: Outputs ``(B, C, h, w)`` of the pixel decoder's blocks, coarsest first.
        """
        levels = [self._tokens(level, each) for level, each in enumerate(maps)]
        state = self.query_feat.weight.expand(maps[0].shape[0], -1, -1)
        place = self.query_embed.weight
        for index, layer in enumerate(self.layers):
            tokens, keys = levels[index % len(levels)]
            state = layer(state, place, keys, tokens)
        return self._embed(self.decoder_norm(state))

    def _tokens(self, level: int, each: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and keys ``(B, h w, hidden)`` of a map."""
        projected = self.input_proj[level](each)
        tokens = projected.flatten(2).transpose(1, 2) + self.level_embed.weight[level]
        hidden = tokens.shape[-1]
        return tokens, tokens + position_encoding(each.shape[-2], each.shape[-1], hidden, each.device)

    def _embed(self, state: Tensor) -> Tensor:
        first, second, last = self.color_embed
        return last(F.relu(second(F.relu(first(state)))))


class ColorLayer(nn.Module):
    """Color decoder layer: cross-attention, self-attention and a feed-forward layer.

    Args:
        hidden: Channels of the queries and image tokens.
        feed: Hidden channels of the feed-forward layer.
    """

    def __init__(self, hidden: int, feed: int) -> None:
        super().__init__()
        self.cross, self.among = AttentionStep(hidden), AttentionStep(hidden)
        self.feed = FeedStep(hidden, feed)

    def forward(self, state: Tensor, place: Tensor, keys: Tensor, tokens: Tensor) -> Tensor:
        """Return the updated query features ``(B, queries, hidden)``.

        Args:
            state: Query features ``(B, queries, hidden)``.
            place: Positional embeddings of the queries, ``(queries, hidden)``.
            keys: Keys of the image tokens, ``(B, n, hidden)``.
            tokens: Values of the image tokens, ``(B, n, hidden)``.
        """
        state = self.cross(state, state + place, keys, tokens)
        state = self.among(state, state + place, state + place, state)
        return self.feed(state)


class DDColorNetwork(nn.Module):
    """DDColor network, which consists of an encoder, a pixel decoder and a color decoder.

    Args:
        encoder: Encoder, which computes four feature maps of a gray image.
        widths: Output channels of the pixel decoder's blocks; 512, 512 and 256 in the paper. The last number
            is also the channel count of the color queries.
        queries: Number of color queries.
        layers: Number of color decoder layers.
        feed: Hidden channels of the feed-forward layers.
    """

    def __init__(
        self, encoder: Encoder, widths: Sequence[int], *, queries: int, layers: int, feed: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.stride = encoder.stride
        self.pixel_decoder = PixelDecoder(encoder.channels, widths, encoder.finest)
        self.color_decoder = ColorDecoder(widths, widths[-1], queries, layers, feed)
        self.refine = StoredSpectralConv(queries + 3, 2, (1, 1))

    def forward(self, lightness: Tensor) -> Tensor:
        """Colorize a batch and return unbounded ab ``(B, 2, H, W)`` in CIE units.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100], of any size.
        """
        height, width = lightness.shape[-2:]
        # a map of 1 x 1 positions has a different memory layout, which exported graphs do not support
        padded = pad_to_multiple(lightness, self.stride, 2 * self.stride)
        ab = self.generate(padded, lightness_to_rgb(padded))
        # index_select returns a copy with strides that do not depend on the size
        rows, columns = (torch.arange(side, device=ab.device) for side in (height, width))
        return ab.index_select(2, rows).index_select(3, columns).float()

    def generate(self, lightness: Tensor, gray: Tensor) -> Tensor:
        """Predict ab ``(B, 2, H, W)``; H and W must be multiples of the encoder's stride.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            gray: Gray images ``(B, 3, H, W)`` in [0, 1].
        """
        image = normalized(gray)
        maps = self.pixel_decoder(self.encoder(lightness, image))
        return self.combine(self.color_decoder(maps), maps[-1], image)

    def combine(self, colors: Tensor, finest: Tensor, image: Tensor) -> Tensor:
        """Compute ab from color embeddings and pixel features (section 3.4).

        The paper multiplies embeddings by pixel features, which gives one map per query, and then applies a 1
        x 1 convolution. This function applies the convolution to the embeddings first, so it computes only
        two maps. The result is the same because all operations are linear.

        Args:
            colors: Color embeddings ``(B, queries, C)``.
            finest: Output of the pixel decoder's last block, ``(B, C, h, w)``.
            image: Gray images ``(B, 3, H, W)`` with ImageNet normalization.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        # the 1 x 1 convolution reads one map for each query, and the three channels of the image
        weight = self.refine.divided_weight().flatten(1).float()
        queries = colors.shape[1]
        query_weight, image_weight = weight[:, :queries], weight[:, queries:]
        with torch.autocast(colors.device.type, enabled=False):
            ab_embeddings = query_weight @ colors.float()  # (B, 2, C)

        # multiply before the pixel shuffle, which only moves values: channel c * factor**2 + i of the
        # convolution becomes subpixel i of feature c
        last = self.pixel_decoder.last
        features = F.relu(last.conv(finest))  # (B, C * factor**2, h, w)
        batch, _, height, width = features.shape
        subpixels = last.factor**2
        channels = ab_embeddings.shape[2]
        flat_features = features.reshape(batch, channels, subpixels * height * width)
        product = torch.bmm(ab_embeddings.to(features.dtype), flat_features)
        product_maps = product.view(batch, 2 * subpixels, height, width)
        ab = blur(F.pixel_shuffle(product_maps, last.factor))
        return ab + F.conv2d(image, image_weight[..., None, None], self.refine.bias)
