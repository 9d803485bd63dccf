"""DDColor: colorization by dual decoders (Kang et al., ICCV 2023).

An encoder computes feature maps of a gray image, and a pixel decoder upsamples the maps to pixel features. A
color decoder computes color embeddings from learned queries, which attend to the maps. The product of pixel
features and color embeddings determines ab. https://arxiv.org/abs/2212.11613

`TrunkEncoder` and the argument ``trunk``, which `kang2023_small` uses, are not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance, Points
from colorzoo.metrics.feature_networks import load_by_name, timm_network
from colorzoo.model import ColoringModel
from colorzoo.networks.attention import AttentionStep, FeedStep, position_encoding
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.hint_unet import HintUNet, hint_input
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.shared_weights import borrow
from colorzoo.networks.spectral import StoredSpectralConv, WideBlock, blur, spectral_shuffle
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, PositiveInt, Width

Size = Literal["tiny", "large"]
CHANNELS: dict[Size, tuple[int, ...]] = {"tiny": (96, 192, 384, 768), "large": (192, 384, 768, 1536)}
_DEPTHS: dict[Size, tuple[int, ...]] = {"tiny": (3, 3, 9, 3), "large": (3, 3, 27, 3)}
PIXEL_CHANNELS = (512, 512, 256)
FEED_CHANNELS = 2048
TRUNK_SIZE = 256
"""Shorter side of the network input in pixels with the encoder `TrunkEncoder`."""


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
        # values and keys of each map, (B, h w, hidden)
        levels = []
        for level, each in enumerate(maps):
            projected = self.input_proj[level](each)
            tokens = projected.flatten(2).transpose(1, 2) + self.level_embed.weight[level]
            height, width = each.shape[-2:]
            levels.append((tokens, tokens + position_encoding(height, width, tokens.shape[-1], each.device)))

        # update the queries
        state = self.query_feat.weight.expand(maps[0].shape[0], -1, -1)
        place = self.query_embed.weight
        for index, layer in enumerate(self.layers):
            tokens, keys = levels[index % len(levels)]
            state = layer(state, place, keys, tokens)

        first, second, last = self.color_embed
        embeddings: Tensor = last(F.relu(second(F.relu(first(self.decoder_norm(state))))))
        return embeddings


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
        self,
        encoder: ConvNextEncoder | TrunkEncoder,
        widths: Sequence[int],
        *,
        queries: int,
        layers: int,
        feed: int,
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
        colors, finest = self.color_decoder(maps), maps[-1]  # color embeddings (B, queries, C)
        # The paper multiplies embeddings by pixel features, which gives one map per query, and then applies a
        # 1 x 1 convolution (section 3.4). Applying the convolution to the embeddings first gives the same
        # result with two maps, because all operations are linear.
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


class ConvNextEncoder(nn.Module):
    """ConvNeXt (Liu et al. 2022) of timm with normalized feature maps at four scales.

    Args:
        size: ``tiny`` (ConvNeXt-T) or ``large`` (ConvNeXt-L).
        width: Multiplier for the channel counts; 1.0 matches the published network.
        depth: Multiplier for the number of blocks in each stage; 1.0 matches the published network.
    """

    stride = 32  # of the coarsest map in pixels; image height and width are multiples of this stride
    finest = 4  # stride of the finest map in pixels

    def __init__(self, size: Size, width: float = 1.0, depth: float = 1.0) -> None:
        import timm  # slow import
        from timm.layers import LayerNorm2d

        super().__init__()
        self.channels: tuple[int, ...] = tuple(scaled_width(base, width) for base in CHANNELS[size])
        depths = tuple(max(1, round(base * depth)) for base in _DEPTHS[size])
        shape = {"depths": depths, "dims": self.channels}
        self.stages: nn.Module = timm.create_model(
            "convnext_tiny", pretrained=False, features_only=True, **shape
        )
        self.norms = nn.ModuleList([LayerNorm2d(channels, eps=1e-6) for channels in self.channels])

    def load_pretrained(self, name: str) -> None:
        """Load the weights of a ConvNeXt classifier of timm into the encoder.

        Args:
            name: timm name of a ConvNeXt of this encoder's size, such as ``"convnext_large.fb_in22k"``.

        Raises:
            WeightsError: The weights are not available or do not match the encoder.
        """
        found = timm_network(name, num_classes=0).model.state_dict()
        names = {key: re.sub(r"^(stem|stages)_", r"\1.", key) for key in self.stages.state_dict()}
        load_by_name(self.stages, names, found, name)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return normalized feature maps at strides 4, 8, 16 and 32.

        Args:
            lightness: Not used.
            image: Gray RGB ``(B, 3, H, W)`` with ImageNet normalization.
        """
        maps = zip(self.norms, self.stages(image), strict=True)
        return tuple(norm(each) for norm, each in maps)


class TrunkEncoder(nn.Module):
    """Frozen encoder that consists of the layers of a Local Hints network (Zhang et al. 2017).

    The network runs without hints. The strides of the four feature maps are half the strides of ConvNeXt.

    Args:
        model: Trained Local Hints model, which provides the layers.

    Raises:
        ColorzooError: The model is not a Local Hints model.
    """

    stride = 16  # of the coarsest map in pixels
    finest = 2  # stride of the finest map in pixels

    def __init__(self, model: ColoringModel) -> None:
        super().__init__()
        unet = getattr(model.network, "unet", None)
        if not isinstance(unet, HintUNet):
            raise ColorzooError(f"'trunk' must name a Local Hints model, got {type(model).__name__}")
        self.unet = unet.eval()
        self.mask_center = float(getattr(model.network, "mask_center", 0.0))
        middle, deep = unet.up9.in_channels, unet.up8.in_channels
        self.channels: tuple[int, ...] = (unet.up10.in_channels, middle, deep, deep)
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> TrunkEncoder:
        """Set eval mode regardless of ``mode``, because BatchNorm statistics are frozen."""
        return super().train(False)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps at strides 2, 4, 8 and 16.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            image: Not used.
        """
        maps = self.unet.contract(hint_input(lightness, Points.none(lightness), self.mask_center))
        deep = maps[6]
        return maps[1], self.unet.merge(maps), deep, nn.functional.avg_pool2d(deep, 2)


# the last normalization of the encoder, the constants of the input normalization, and the classifier head,
# which only files from before August 2023 contain
UNUSED = r"^(mean$|std$|encoder\.arch\.(norm|head_cls)\.)"

_STAGES = "encoder.stages"
_CROSS = r"decoder\.color_decoder\.transformer_cross_attention_layers\."
_SELF = r"decoder\.color_decoder\.transformer_self_attention_layers\."
NAMES: tuple[Pattern, ...] = (
    (r"encoder\.arch\.downsample_layers\.0\.(\d)\.", rf"{_STAGES}.stem_\1."),
    (r"encoder\.arch\.downsample_layers\.(\d)\.(\d)\.", rf"{_STAGES}.stages_\1.downsample.\2."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.dwconv\.", rf"{_STAGES}.stages_\1.blocks.\2.conv_dw."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.pwconv(\d)\.", rf"{_STAGES}.stages_\1.blocks.\2.mlp.fc\3."),
    (r"encoder\.arch\.stages\.(\d)\.(\d+)\.", rf"{_STAGES}.stages_\1.blocks.\2."),
    (r"encoder\.arch\.norm(\d)\.", r"encoder.norms.\1."),
    (r"decoder\.layers\.(\d)\.", r"pixel_decoder.blocks.\1."),
    (r"decoder\.last_shuf\.", "pixel_decoder.last."),
    (rf"{_CROSS}(\d+)\.multihead_attn\.", r"color_decoder.layers.\1.cross.attention."),
    (rf"{_CROSS}(\d+)\.", r"color_decoder.layers.\1.cross."),
    (rf"{_SELF}(\d+)\.self_attn\.", r"color_decoder.layers.\1.among.attention."),
    (rf"{_SELF}(\d+)\.", r"color_decoder.layers.\1.among."),
    (r"decoder\.color_decoder\.transformer_ffn_layers\.(\d+)\.", r"color_decoder.layers.\1.feed."),
    (r"decoder\.color_decoder\.color_embed\.layers\.", "color_decoder.color_embed."),
    (r"decoder\.color_decoder\.", "color_decoder."),
    (r"refine_net\.0\.0\.", "refine."),
)


class DDColor(ColoringModel):
    """Colorization without guidance by a pixel decoder and a color decoder.

    Args:
        size: Encoder size: ``tiny`` (ConvNeXt-T) or ``large`` (ConvNeXt-L).
        width: Multiplier for every channel count; 1.0 matches the published network.
        depth: Multiplier for the number of blocks in each encoder stage; 1.0 matches the published network.
        queries: Number of color queries.
        layers: Number of color decoder layers.
        trunk: Name of a registered Local Hints model (Zhang et al. 2017), whose layers replace ConvNeXt as
            a frozen encoder. These layers are not stored in weight files. None uses ConvNeXt, as in the
            paper.
    """

    working_size = 512
    feature_layers = ("network.encoder",)
    published_names, published_unused = NAMES, UNUSED
    network: DDColorNetwork

    def __init__(
        self,
        size: Size = "large",
        width: Width = 1.0,
        depth: Positive = 1.0,
        queries: PositiveInt = 100,
        layers: PositiveInt = 9,
        trunk: str | None = None,
    ) -> None:
        if trunk is not None:
            encoder: ConvNextEncoder | TrunkEncoder = TrunkEncoder(create_backbone(trunk, "trunk"))
        else:
            encoder = ConvNextEncoder(size, width, depth)
        network = DDColorNetwork(
            encoder,
            [scaled_width(base, width) for base in PIXEL_CHANNELS],
            queries=queries,
            layers=layers,
            feed=scaled_width(FEED_CHANNELS, width),
        )
        super().__init__(network)
        if trunk is not None:
            self.working_size = TRUNK_SIZE

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; guidance is ignored."""
        return AbPrediction(ab=self.network(lightness))
