"""The U-Net of Zhang et al. 2017 ("Local Hints"), shared by the papers that build on it.

Its input is lightness, hint colors and hint mask, already normalized by the paper that uses it; its
output is ab in [-1, 1] and logits over the 23 x 23 ab grid at a quarter of the size.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.networks.blocks import conv3x3, conv_block, upconv4x4
from colorzoo.networks.channel_attention import AttendedConv
from colorzoo.networks.hint_attention import HintAttention
from colorzoo.networks.rank import RankLayers
from colorzoo.networks.scene_blocks import SceneBlocks
from colorzoo.networks.taps import Tap, Visit, unchanged

STRIDE = 8
"""Height and width of the input must be multiples of this."""

GRID_BINS = 529

Detach = Literal["none", "regression", "classification"]
"""Which branch sees the trunk without sending gradients into it."""


class HintUNetOutput(NamedTuple):
    """What the U-Net answers.

    Attributes:
        ab: ``(B, 2, H, W)`` in [-1, 1]; of the decoded pictures alone.
        logits: ``(B, 529, H/4, W/4)`` over the full 23 x 23 ab grid; ``(B, 0, H/4, W/4)`` without that head.
        trunk: ``(B, C, H/4, W/4)``, the features below the classification head.
        maps: The outputs of blocks 3 to 7: block 3 at H/4, the others at H/8.
        deep: ``(B, C, H/8, W/8)``, what block 8 reads: the output of block 7 and what extensions add to it.
    """

    ab: Tensor
    logits: Tensor
    trunk: Tensor
    maps: tuple[Tensor, ...]
    deep: Tensor


class ShallowMaps(NamedTuple):
    """What blocks 1 to 3 and the skips make of an input, each place from no farther than `SHALLOW_REACH`.

    Attributes:
        map3: ``(B, C, H/4, W/4)``, the output of block 3.
        beside8: ``(B, C, H/4, W/4)``, what the skip adds before block 8.
        beside9: ``(B, C, H/2, W/2)``, what the skip adds before block 9, of the pictures to decode.
        beside10: ``(B, C, H, W)``, what the skip adds before block 10, of the pictures to decode.
    """

    map3: Tensor
    beside8: Tensor
    beside9: Tensor
    beside10: Tensor


SHALLOW_STRIDES = (4, 4, 2, 1)
"""Pixels of the input per cell of each of the `ShallowMaps`."""

SHALLOW_REACH = 24
"""Pixels, in multiples of the stride: 2 of block 1, 4 of block 2, 12 of block 3 and 4 of its skip make 22."""


class HintEncoding(NamedTuple):
    """What the decoder reads.

    Attributes:
        trunk: ``(B, C, H/4, W/4)``, the output of block 8.
        beside9: ``(B, C, H/2, W/2)``, what the skip adds before block 9, of the pictures to decode.
        beside10: ``(B, C, H, W)``, what the skip adds before block 10, of the pictures to decode.
        maps: The outputs of blocks 3 to 7.
        deep: See `HintUNetOutput`; the decoder does not need it.
    """

    trunk: Tensor
    beside9: Tensor
    beside10: Tensor
    maps: tuple[Tensor, ...]
    deep: Tensor | None = None


class HintUNet(nn.Module):
    """Ten convolution blocks with three additive skips (Zhang et al. 2017, sec. 3.3).

    Skips add raw convolution outputs; the ReLU comes after the sum. Subsampling is plain slicing of
    the normalized map, so that the skip sees it at full resolution.

    Args:
        in_channels: 4 for lightness, a, b and mask.
        width: Multiplier of every channel count; 1.0 is the published network.
        hint_attention: Add one attention step that carries hint colors to places that look alike (not in
            the paper; a narrow network trained for hours learns to spread hints much sooner with it).
        distribution: Have the head over the ab grid.
        channel_attention: Weigh the channels of each skip by the whole picture (not in the paper).
        rank_layers: Linear 1x1 layers between encoder and decoder, which training turns towards a low rank
            (not in the paper); `fold_rank_layers` takes them out again.
        scene_blocks: Blocks at a sixteenth of the size, see `SceneBlocks` (not in the paper).
    """

    def __init__(
        self,
        in_channels: int = 4,
        width: float = 1.0,
        *,
        hint_attention: bool = False,
        distribution: bool = True,
        channel_attention: bool = False,
        rank_layers: int = 0,
        scene_blocks: int = 0,
    ) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.block1 = conv_block((in_channels, c64, c64))
        self.block2 = conv_block((c64, c128, c128))
        self.block3 = conv_block((c128, c256, c256, c256))
        self.block4 = conv_block((c256, c512, c512, c512))
        self.block5 = conv_block((c512,) * 4, dilation=2)
        self.block6 = conv_block((c512,) * 4, dilation=2)
        self.block7 = conv_block((c512,) * 4)
        self.rank_layers = RankLayers(c512, rank_layers) if rank_layers else None
        self.scene = SceneBlocks((c256, c512, c512), 2 * c512, scene_blocks) if scene_blocks else None
        self.up8, self.skip3 = upconv4x4(c512, c256), _skip(c256, c256, channel_attention)
        self.block8 = nn.Sequential(nn.ReLU(), *conv_block((c256, c256, c256)))
        self.attention = HintAttention(c256) if hint_attention else None
        self.inject = conv3x3(3, c256) if hint_attention else None
        self.up9, self.skip2 = upconv4x4(c256, c128), _skip(c128, c128, channel_attention)
        self.block9 = nn.Sequential(nn.ReLU(), *conv_block((c128, c128)))
        self.up10, self.skip1 = upconv4x4(c128, c128), _skip(c64, c128, channel_attention)
        self.block10 = nn.Sequential(nn.ReLU(), conv3x3(c128, c128), nn.LeakyReLU(0.2))
        self.class_head = nn.Conv2d(c256, GRID_BINS, 1) if distribution else None
        self.ab_head = nn.Sequential(nn.Conv2d(c128, 2, 1), nn.Tanh())

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps behind block 8, behind block 9, and the sum before block 10."""
        c256, c128 = self.up9.in_channels, self.up10.in_channels
        return Tap("8_3", c256, 4), Tap("9_3", c128, 2), Tap("10_up", self.up10.out_channels, 1)

    def forward(
        self,
        x: Tensor,
        hints: Tensor | None = None,
        *,
        context: Tensor | None = None,
        detach: Detach = "none",
        decode_every: int = 1,
        visit: Visit = unchanged,
    ) -> HintUNetOutput:
        """Run the network.

        Args:
            x: ``(B, in_channels, H, W)``, height and width multiples of 8.
            hints: ``(B, 3, H, W)``, hint colors and mask in {0, 1}, for the attention step only.
            context: ``(B, C, 1, 1)``, what is known of the whole picture, added to the map of block 4.
            detach: ``"regression"`` in a classification stage, ``"classification"`` in a regression stage.
            decode_every: Decode every n-th picture of the batch alone: maps of the full size cost as much as
                all below them.
            visit: Called with each of the 13 maps named after the published code: 1_2, 2_2, 3_3 to 7_3,
                8_up, 8_3, 9_up, 9_3, 10_up, 10_2; a sum "up" is visited before its ReLU.
        """
        encoded = self.encode(
            x, hints, context=context, detach=detach, decode_every=decode_every, visit=visit
        )
        trunk = encoded.trunk
        logits = self.distribution(trunk.detach() if detach == "classification" else trunk)
        if detach == "regression":
            encoded = encoded._replace(trunk=trunk.detach())
        ab = self.decode(encoded._replace(trunk=encoded.trunk[::decode_every]), visit)
        assert encoded.deep is not None
        return HintUNetOutput(ab, logits, encoded.trunk, encoded.maps, encoded.deep)

    def encode(
        self,
        x: Tensor,
        hints: Tensor | None = None,
        *,
        context: Tensor | None = None,
        detach: Detach = "none",
        decode_every: int = 1,
        visit: Visit = unchanged,
    ) -> HintEncoding:
        """Run all that comes before the map 8_3; arguments as of `forward`."""
        shallow = self.shallow(x, detach=detach, decode_every=decode_every, visit=visit)
        return self.deepen(shallow, hints, context=context, visit=visit)

    def shallow(
        self, x: Tensor, *, detach: Detach = "none", decode_every: int = 1, visit: Visit = unchanged
    ) -> ShallowMaps:
        """Run what sees the neighborhood of each place alone; arguments as of `forward`."""
        map1 = visit("1_2", self.block1(x))
        map2 = visit("2_2", self.block2(map1[:, :, ::2, ::2]))
        map3 = visit("3_3", self.block3(map2[:, :, ::2, ::2]))
        if detach == "regression":
            map1, map2 = map1.detach(), map2.detach()
        beside9, beside10 = self.skip2(map2[::decode_every]), self.skip1(map1[::decode_every])
        return ShallowMaps(map3, self.skip3(map3), beside9, beside10)

    def deepen(
        self,
        shallow: ShallowMaps,
        hints: Tensor | None = None,
        *,
        context: Tensor | None = None,
        visit: Visit = unchanged,
    ) -> HintEncoding:
        """Run what comes between `shallow` and the map 8_3; arguments as of `forward`."""
        map3 = shallow.map3
        map4 = visit("4_3", self.block4(map3[:, :, ::2, ::2]))
        if context is not None:
            map4 = map4 + context
        map5 = visit("5_3", self.block5(map4))
        map6 = visit("6_3", self.block6(map5))
        deep = map7 = visit("7_3", self.block7(map6))
        if self.rank_layers is not None:
            deep = self.rank_layers(deep)
        if self.scene is not None:
            deep = self.scene((map3, map4, deep))
        trunk = self.block8(visit("8_up", self.up8(deep) + shallow.beside8))
        if self.attention is not None and self.inject is not None and hints is not None:
            trunk = trunk + self.inject(self.attention(trunk, hints))
        return HintEncoding(trunk, shallow.beside9, shallow.beside10, (map3, map4, map5, map6, map7), deep)

    def decode(self, encoded: HintEncoding, visit: Visit = unchanged) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-1, 1] from what `encode` gave."""
        trunk = visit("8_3", encoded.trunk)
        map9 = visit("9_3", self.block9(visit("9_up", self.up9(trunk) + encoded.beside9)))
        map10 = visit("10_2", self.block10(visit("10_up", self.up10(map9) + encoded.beside10)))
        ab: Tensor = self.ab_head(map10)
        return ab

    def distribution(self, trunk: Tensor) -> Tensor:
        """Return logits over the ab grid from the map 8_3; without that head no channel at all."""
        if self.class_head is None:
            return trunk[:, :0]
        logits: Tensor = self.class_head(trunk)
        return logits


def _skip(fan_in: int, fan_out: int, attention: bool) -> nn.Module:
    skip = conv3x3(fan_in, fan_out)
    return AttendedConv(skip) if attention else skip


def scaled_width(base: int, width: float) -> int:
    """Return ``base * width`` rounded to a multiple of 8, at least 8."""
    return max(8, round(base * width / 8) * 8)


def initialize(module: nn.Module, std: float | None) -> None:
    """Draw convolution weights: normal with deviation ``std``, or He normal when it is ``None``.

    Scene blocks add nothing at first.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            if std is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
    for layer in module.modules():  # after their convolutions were drawn
        if isinstance(layer, SceneBlocks):
            layer.start_silent()
