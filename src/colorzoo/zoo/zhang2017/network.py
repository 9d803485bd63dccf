"""Networks of Zhang et al. 2017: lightness and points, or statistics of the whole picture, in; ab out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.networks.blocks import cells, conv3x3, pad_to_multiple, scaled_width, upconv4x4
from colorzoo.networks.hint_memory import HintMemory
from colorzoo.networks.hint_unet import (
    STRIDE,
    HintEncoding,
    HintNetwork,
    HintUNet,
    HintUNetOutput,
    PointNetwork,
    hint_input,
)
from colorzoo.networks.taps import TapState, unchanged


class HypercolumnHead(nn.Module):
    """The paper's head for color distributions: a hypercolumn over blocks 3 to 8 (section 3.3).

    It brings six maps to one size and width, sums them, and classifies each position by a 1x1 layer (the sum
    before the ReLU is the same as one layer over the concatenated maps). The head sends no gradient into the
    network.

    Args:
        width: Multiplier of every channel count of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits over the 313 bins, ``(B, 313, H/4, W/4)``.

        Args:
            maps: Outputs of blocks 3 to 7.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        logits: Tensor = self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))
        return logits


class LocalHintsNetwork(PointNetwork):
    """The U-Net of the paper, with the head of its distribution.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask: 0 for the released converted weights, 0.5 for the
            retrained ones.
        hint_attention: See `HintUNet`.
        channel_attention: See `HintUNet`.
        rank_layers: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        hypercolumn: Predict the distribution by the paper's head instead of the published 529-way one.
        ab_scale: Value in CIE units of 1 at the output: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(
        self,
        width: float,
        *,
        mask_center: float,
        hint_attention: bool,
        channel_attention: bool,
        rank_layers: int,
        scene_blocks: int,
        hypercolumn: bool,
        ab_scale: float,
    ) -> None:
        unet = HintUNet(
            4,
            width,
            hint_attention=hint_attention,
            channel_attention=channel_attention,
            rank_layers=rank_layers,
            scene_blocks=scene_blocks,
        )
        super().__init__(unet, mask_center=mask_center, ab_scale=ab_scale)
        self.hypercolumn = HypercolumnHead(width) if hypercolumn else None

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return the distribution: ``(B, 529, ...)``, or ``(B, 313, ...)`` of a hypercolumn head."""
        return out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)

    def edit(self, lightness: Tensor, points: Points, memory: HintMemory) -> tuple[Tensor, HintEncoding]:
        """Color one picture again with other points.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            points: Hints of the same size.
            memory: Memory of this network's U-Net.

        Returns:
            ab ``(1, 2, H, W)`` in CIE units, and what `distribution` reads.
        """
        height, width = lightness.shape[-2:]
        x, hints = hint_input(lightness, points, self.mask_center)
        encoded = self.unet.deepen(memory.shallow(x), hints)
        return self.unet.decode(encoded)[:, :, :height, :width].float() * self.ab_scale, encoded

    def distribution(self, trunk: Tensor, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Return the logits of `forward` from the encoding of a picture of this height and width."""
        logits = self.unet.distribution(trunk) if self.hypercolumn is None else self.hypercolumn(maps, trunk)
        return logits[:, :, : cells(size[0], 4), : cells(size[1], 4)].float()


class VectorNorm(nn.BatchNorm2d):
    """Batch norm of 1x1 maps that uses its running statistics for a batch of one picture in training.

    A single vector is its own mean, so that the authors' Caffe layer returns zero for it and the hint is
    lost.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``(B, C, 1, 1)`` normalized; a single vector does not update the statistics."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(vectors, *known, training=False, eps=self.eps)


class GlobalBranch(nn.Module):
    """Turns histogram and saturation into one vector per picture, by 1x1 convolutions.

    Args:
        channels: Length of the vector.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.saturation = nn.Conv2d(1 + 1, channels, 1)
        self.histogram = nn.Conv2d(len(hull_centers()) + 1, channels, 1)
        self.norm = VectorNorm(channels)
        self.last_norm = VectorNorm(channels)
        middle = [layer for _ in range(2) for layer in (*_layer(channels), VectorNorm(channels))]
        self.deeper = nn.Sequential(*middle, *_layer(channels))

    def forward(self, statistics: GlobalStatistics, batch: int) -> Tensor:
        """Return ``(batch, channels, 1, 1)``; missing statistics are zeros with a zero indicator."""
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        vector: Tensor = self.last_norm(self.deeper(self.norm(torch.relu(x))))
        return vector


class GlobalNetwork(HintNetwork):
    """Base of the Global Hints networks: a U-Net with the branch added after block 4.

    Args:
        unet: The U-Net.
        ab_scale: Value in CIE units of 1 at the output.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__(unet, ab_scale=ab_scale)
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Color a picture of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            statistics: Known statistics of the picture's colors.

        Returns:
            ``(B, 2, H, W)`` in CIE units.
        """
        return self.after_taps(self.before_taps(lightness, statistics), unchanged)

    def before_taps(self, lightness: Tensor, statistics: GlobalStatistics) -> TapState:
        """Compute everything before block 9; see `forward` for the arguments."""
        raise NotImplementedError


class GlobalHintsNetwork(GlobalNetwork):
    """The paper's network: the U-Net of the Local Hints network on lightness alone, without a distribution.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        ab_scale: Value in CIE units of 1 at the output: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(self, width: float, *, ab_scale: float = 110.0) -> None:
        super().__init__(HintUNet(1, width, distribution=False), ab_scale)

    def before_taps(self, lightness: Tensor, statistics: GlobalStatistics) -> TapState:
        """Compute everything before block 9; see `forward` for the arguments."""
        context = self.branch(statistics, lightness.shape[0])
        encoded = self.unet.encode(pad_to_multiple((lightness - 50) / 100, STRIDE), context=context)
        return TapState(encoded[:3], (lightness.shape[-2], lightness.shape[-1]))


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return histogram ``(batch, 313)``, zeros if missing, and saturation ``(batch, 1)``, -1 if missing."""
    histogram = _known(statistics.histogram, like.new_zeros(batch, len(hull_centers())))
    return histogram, _known(statistics.saturation, like.new_full((batch, 1), -1.0))


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()


def _known(value: Tensor | None, absent: Tensor) -> Tensor:
    return absent if value is None else value.to(absent)
