"""XCNET, exemplar colorization by attention (Gorriz Blanch et al., MMSP 2021).

At three scales, attention adds VGG-19 features of a reference to the image features. A decoder predicts ab
from the fused features. https://arxiv.org/abs/2105.01705

Full attention (`FullAttention`) is not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import conv3x3, scaled_width
from colorzoo.networks.imagenet import outputs_of, vgg_layers
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness, squashed
from colorzoo.prediction import AbPrediction
from colorzoo.settings import PositiveInt, Range, Width

TAPS = (1, 6, 11, 20, 29, 35)
"""Indices of relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, relu5_4 in torchvision's VGG-19."""

STRIDE = 16
HEADS = 8
_MATCHED = slice(2, 5)  # feature maps to which reference features are added
_CHANNELS = (64, 128, 256, 512, 512, 512)

_NAMES: tuple[Pattern, ...] = (
    (r"features\.\w+?\.(\d+)\.", r"features.\1."),
    (r"proj(\d)\.proj_tgt\.", lambda m: f"target_projections.{int(m[1]) - 1}."),
    (r"proj(\d)\.proj_ref\.", lambda m: f"reference_projections.{int(m[1]) - 3}."),
    (r"att(\d)\.module\.\d+\.bn_tgt\.", lambda m: f"attentions.{int(m[1]) - 3}.target_norm."),
    (r"att(\d)\.module\.\d+\.bn_ref\.", lambda m: f"attentions.{int(m[1]) - 3}.reference_norm."),
    (r"att(\d)\.module\.\d+\.att\.", lambda m: f"attentions.{int(m[1]) - 3}.attend.attention."),
    (r"att(\d)\.module\.\d+\.", lambda m: f"attentions.{int(m[1]) - 3}.attend."),
    (r"dec(\d)\.", lambda m: f"decoders.{4 - int(m[1])}."),
    (r"head(\d)\.conv1\.", lambda m: f"heads.{4 - int(m[1])}.0."),
    (r"head(\d)\.conv2\.", lambda m: f"heads.{4 - int(m[1])}.2."),
)
NAMES = tuple((rf"(?:model_state_dict\.)?{theirs}", ours) for theirs, ours in _NAMES)
"""Patterns that rename the parameters in the authors' files.

The files repeat the shared attention weights for each pass of an attention layer. They also contain relative
position indices, which this library computes from the input size.
"""


class AxialAttention(nn.Module):
    """Cross-attention of each position to the reference positions in the same column (Axial-DeepLab).

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
            # learned encodings of the position of the query relative to the key, shifted to start at 0
            length, size = q.shape[-2:]
            steps = torch.arange(length, device=q.device)
            offsets = steps[:, None] - steps + length - 1
            for_query, for_key = self.relative[:size, offsets], self.relative[size : 2 * size, offsets.T]
            for_value = self.relative[2 * size :, offsets]
            scores = q @ k.mT + torch.einsum("bwhid,dij->bwhij", q, for_query)
            weights = torch.softmax(scores + torch.einsum("bwhjd,dij->bwhij", k, for_key), dim=-1)
            attended = weights @ v + torch.einsum("bwhij,dij->bwhid", weights, for_value)
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


def _heads(rows: Tensor) -> Tensor:
    """Split channels into heads: ``(B, W, H, C)`` to ``(B, W, heads, H, C / heads)``."""
    return rows.reshape(*rows.shape[:3], HEADS, -1).transpose(2, 3)


class XCNet(nn.Module):
    """XCNET: VGG-19 features, attention to a reference at three scales, and a decoder.

    Args:
        width: See `AttentionStylization`.
        side: See `AttentionStylization`.
        attention: See `AttentionStylization`.
        positions: See `AttentionStylization`.
        passes: See `AttentionStylization`.
    """

    def __init__(
        self,
        width: float = 1.0,
        side: int = 224,
        attention: Literal["axial", "full"] = "axial",
        positions: bool = True,
        passes: int = 2,
    ) -> None:
        super().__init__()
        wide = 2 * scaled_width(128, width)
        channels = [scaled_width(each, width) for each in _CHANNELS]
        self.features = vgg_layers(19, TAPS[-1] + 1, width=width).requires_grad_(False)
        self.target_projections = nn.ModuleList(nn.Conv2d(each, wide, 1) for each in channels)
        self.reference_projections = nn.ModuleList(nn.Conv2d(each, wide, 1) for each in channels[_MATCHED])
        self.attentions = nn.ModuleList()
        for stride in (4, 8, 16):
            if attention == "full":
                attend: nn.Module = FullAttention(wide)
            else:
                attend = BothAxes(wide, side // stride, positions=positions)
            self.attentions.append(ReferenceAttention(attend, wide, passes))
        self.decoders = nn.ModuleList(Decoder(wide) for _ in range(4))
        self.heads = nn.ModuleList(
            nn.Sequential(conv3x3(wide, channels[0]), nn.ReLU(), nn.Conv2d(channels[0], 2, 1), nn.Tanh())
            for _ in range(4)
        )

    def forward(self, target: Tensor, reference: Tensor) -> list[Tensor]:
        """Colorize square images.

        Reference features are fused at 1/4, 1/8 and 1/16 scale. Each decoder level doubles the resolution.

        Args:
            target: ``(B, 1, side, side)``, L / 50 - 1.
            reference: ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.

        Returns:
            ab / 110 in [-1, 1] at 1, 1/2, 1/4 and 1/8 times the input size, each ``(B, 2, h, w)``.
        """
        target_features = outputs_of(self.features, target.expand(-1, 3, -1, -1), TAPS)
        target_maps = _project(self.target_projections, target_features)
        reference_taps = TAPS[2:5]  # relu3_1, relu4_1 and relu5_1
        reference_layers = self.features[: reference_taps[-1] + 1]
        reference_features = outputs_of(reference_layers, reference, reference_taps)
        reference_maps = _project(self.reference_projections, reference_features)

        queries = target_maps[_MATCHED]
        fused4, fused8, fused16 = (
            attention(query, key)
            for attention, query, key in zip(self.attentions, queries, reference_maps, strict=True)
        )

        x = target_maps[5] + fused16  # relu5_4 and relu5_1 have 1/16 scale
        predictions = []
        skips = target_maps[3::-1]  # relu4_1 to relu1_1, at 1/8, 1/4, 1/2 and full scale
        fused_maps = (fused8, fused4, None, None)
        for decoder, head, skip, fused in zip(self.decoders, self.heads, skips, fused_maps, strict=True):
            x = decoder(x, skip)
            predictions.append(head(x))
            if fused is not None:
                x = x + fused
        return predictions[::-1]


def _project(projections: nn.ModuleList, maps: Sequence[Tensor]) -> list[Tensor]:
    """Apply a 1 x 1 convolution and ReLU to each feature map."""
    return [F.relu(layer(x)) for layer, x in zip(projections, maps, strict=True)]


class FullAttention(nn.Module):
    """Attention from every image position to all reference positions; not in the paper.

    Args:
        channels: Number of channels of the image map and the reference map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, HEADS, batch_first=True)

    def forward(self, query: Tensor, key: Tensor, plain_key: Tensor) -> Tensor:
        """Return the attention output ``(B, C, H, W)``.

        Args:
            query: ``(B, C, H, W)``, normalized image features.
            key: ``(B, C, H, W)``, normalized reference features.
            plain_key: Not used; accepted because `BothAxes` requires this argument.
        """
        del plain_key
        query_tokens = query.flatten(2).transpose(1, 2)  # (B, H W, C)
        key_tokens = key.flatten(2).transpose(1, 2)
        attended: Tensor = self.attention(query_tokens, key_tokens, key_tokens, need_weights=False)[0]
        return attended.transpose(1, 2).reshape(query.shape)


class ReferenceAttention(nn.Module):
    """Attention layer with a residual connection, applied several times with shared weights.

    Args:
        attend: Attention module, `BothAxes` or `FullAttention`.
        channels: Number of channels of the image map and the reference map.
        passes: Number of times that ``attend`` is applied.
    """

    def __init__(self, attend: nn.Module, channels: int, passes: int) -> None:
        super().__init__()
        self.attend, self.passes = attend, passes
        self.target_norm, self.reference_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, target: Tensor, reference: Tensor) -> Tensor:
        """Attend to reference features and add the output to the image features.

        Args:
            target: ``(B, C, H, W)``, image features.
            reference: ``(B, C, H, W)``, reference features.

        Returns:
            ``(B, C, H, W)``.
        """
        for _ in range(self.passes):
            attended = self.attend(self.target_norm(target), self.reference_norm(reference), reference)
            target = F.relu(attended + target)
        return target


class Decoder(nn.Module):
    """Decoder level: convolution, 2x upsampling, skip connection, convolution.

    Args:
        channels: Number of channels of the input, the skip connection and the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv3x3(channels, channels), conv3x3(2 * channels, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Upsample ``x`` by 2 and fuse it with a skip connection.

        Args:
            x: ``(B, C, h, w)``, output of the coarser level.
            skip: ``(B, C, 2h, 2w)``, encoder features.

        Returns:
            ``(B, C, 2h, 2w)``.
        """
        large = F.interpolate(F.relu(self.conv1(x)), scale_factor=2, mode="bilinear", align_corners=True)
        return F.relu(self.conv2(torch.cat([skip, large], dim=1)))


class AttentionStylization(ColoringModel):
    """Exemplar colorization by multi-scale axial attention.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        side: Side of the square network input in pixels, a multiple of 16.
        attention: ``"axial"`` attends along columns and then along rows. ``"full"`` attends to all positions;
            this variant has no published weights.
        positions: Whether axial attention uses learned relative position embeddings.
        passes: Number of times that each attention layer is applied, with shared weights.
    """

    accepts = frozenset({"exemplar"})
    feature_layers = (
        "network.features.3",
        "network.features.8",
        "network.features.17",
        "network.features.26",
        "network.features.35",
    )
    published_names = NAMES
    published_unused = r"\.flatten_index$"
    network: XCNet

    def __init__(
        self,
        width: Width = 1.0,
        side: Annotated[int, Range(STRIDE, unit="pixels", step=STRIDE)] = 224,
        attention: Literal["axial", "full"] = "axial",
        positions: bool = True,
        passes: PositiveInt = 2,
    ) -> None:
        super().__init__(XCNet(width, side, attention, positions, passes))
        self.working_size = self.side = side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the gray image serves as the reference. In training mode, ``extras`` of the
        prediction contains ``ab_1``, ``ab_2``, ``ab_4`` and ``ab_8``: ab / 110 at 1, 1/2, 1/4 and 1/8 times
        the network's input size.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness_to_rgb(lightness) if exemplar is None else exemplar.rgb
        target = scaled_lightness(squashed(lightness, self.side))
        maps = self.network(target, scaled_lab(squashed(reference, self.side)))
        extras = {f"ab_{2**index}": each for index, each in enumerate(maps)}
        ab = F.interpolate(AB_SCALE * maps[0].float(), size=lightness.shape[-2:], mode="bicubic")
        return AbPrediction(ab=ab, extras=extras)
