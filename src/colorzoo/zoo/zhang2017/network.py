"""Networks of Zhang et al. 2017: ab from lightness and either points or global statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers
from colorzoo.guidance import GlobalStatistics
from colorzoo.networks.blocks import conv3x3, pad_to_multiple, scaled_width, upconv4x4
from colorzoo.networks.hint_unet import STRIDE, HintEncoding, HintUNet, HintUNetOutput, PointNetwork
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.settings import Width


@dataclass(frozen=True)
class LocalArchitecture:
    """Settings of the Local Hints network (section 3.3).

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input: 0 for weights from
            Caffe, 0.5 for the authors' weights retrained in PyTorch.
        hypercolumn: Whether to use the paper's hypercolumn head (313 bins) instead of the published head (529
            bins).
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
    """

    width: Width = 1.0
    mask_center: float = 0.0
    hypercolumn: bool = False
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


@dataclass(frozen=True)
class GlobalArchitecture:
    """Settings of the Global Hints network.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
    """

    width: Width = 1.0
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


class HypercolumnHead(nn.Module):
    """Hypercolumn head, which predicts color distributions from blocks 3 to 8 (section 3.3).

    Each feature map is projected by a separate layer. The sum of the projections is equivalent to one layer
    on the concatenated feature maps. The head passes no gradient to other layers.

    Args:
        width: Multiplier for every channel count of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits ``(B, 313, H/4, W/4)`` over the ab bins.

        Args:
            maps: Outputs of blocks 3 to 7: block 3 at 1/4 scale, blocks 4 to 7 at 1/8 scale.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        return self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))


class LocalHintsNetwork(PointNetwork):
    """U-Net of Zhang et al. 2017 with a classification head over color bins.

    Args:
        unet: U-Net with input channels for lightness, a, b and mask.
        architecture: Settings of the network.
    """

    def __init__(self, unet: HintUNet, architecture: LocalArchitecture) -> None:
        super().__init__(unet, mask_center=architecture.mask_center, ab_scale=architecture.ab_scale)
        self.hypercolumn = HypercolumnHead(architecture.width) if architecture.hypercolumn else None

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return logits ``(B, 529, h, w)``, or ``(B, 313, h, w)`` with the hypercolumn head.

        Args:
            out: Output of the U-Net.
        """
        return out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)


class VectorNorm(nn.BatchNorm2d):
    """BatchNorm for vectors that uses running statistics for a batch with a single vector.

    Batch statistics would normalize a single vector to 0.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalize ``(B, C, 1, 1)``; a single vector does not update the running statistics."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(vectors, *known, training=False, eps=self.eps)


class GlobalBranch(nn.Module):
    """Encoder of a color histogram and a mean saturation into one vector per image.

    Args:
        channels: Vector length.
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
        """Encode global statistics as vectors ``(batch, channels, 1, 1)``.

        Each statistic has an indicator input, 1 if the statistic is present and 0 if it is missing. Missing
        statistics are encoded as zeros.

        Args:
            statistics: Color histograms and mean saturations.
            batch: Batch size.
        """
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        return self.last_norm(self.deeper(self.norm(torch.relu(x))))


class GlobalNetwork(nn.Module):
    """Global Hints network, which adds a statistics vector after block 4 of a U-Net.

    Args:
        unet: U-Net that predicts ab.
        ab_scale: Factor that converts the U-Net output to CIE units.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__()
        self.unet, self.ab_scale = unet, ab_scale
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Colorize images of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            statistics: Color histograms and mean saturations; an attribute is None if the statistic is
                missing.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        height, width = lightness.shape[-2:]
        ab = self.unet.decode(self.encode(lightness, statistics))
        return ab[:, :, :height, :width].float() * self.ab_scale

    def encode(self, lightness: Tensor, statistics: GlobalStatistics) -> HintEncoding:
        """Run the network up to block 8; see `forward` for the arguments."""
        context = self.branch(statistics, lightness.shape[0])
        return self.unet.encode(pad_to_multiple((lightness - 50) / 100, STRIDE), context=context)


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Convert statistics to histograms ``(batch, 313)`` and saturations ``(batch, 1)``.

    Missing histograms are 0, and missing saturations are -1.

    Args:
        statistics: Color histograms and mean saturations.
        batch: Batch size.
        like: Tensor with the dtype and device of the results.
    """
    histogram = like.new_zeros(batch, len(hull_centers()))
    saturation = like.new_full((batch, 1), -1.0)
    if statistics.histogram is not None:
        histogram = statistics.histogram.to(like)
    if statistics.saturation is not None:
        saturation = statistics.saturation.to(like)
    return histogram, saturation


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()
