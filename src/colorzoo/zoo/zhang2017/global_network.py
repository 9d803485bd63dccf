"""Global Hints network of Zhang et al. 2017: lightness and statistics of the whole picture in, ab out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers
from colorzoo.guidance import GlobalStatistics
from colorzoo.networks.hint_unet import STRIDE, HintEncoding, HintUNet
from colorzoo.networks.padding import pad_to_multiple
from colorzoo.networks.taps import TapState, Visit, unchanged


class VectorNorm(nn.BatchNorm2d):
    """Batch norm of 1x1 maps that also trains on one picture, which it measures by the running statistics.

    A single vector is its own mean, so the authors' Caffe layer answers zero for it and the hint is lost.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``(B, C, 1, 1)`` normalized; one vector alone leaves the statistics as they are."""
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
        """Return ``(batch, channels, 1, 1)``; what is not given enters as zeros with a zero indicator."""
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        vector: Tensor = self.last_norm(self.deeper(self.norm(torch.relu(x))))
        return vector


class GlobalNetwork(nn.Module):
    """A U-Net with the branch added after block 4.

    Args:
        unet: The U-Net.
        ab_scale: What 1 at the output means in CIE units.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__()
        self.ab_scale = ab_scale
        self.unet = unet
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, luma: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Color a picture of any size.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            statistics: What is known of the picture's colors.

        Returns:
            ``(B, 2, H, W)`` in CIE units.
        """
        return self.after_taps(self.before_taps(luma, statistics), unchanged)

    def before_taps(self, luma: Tensor, statistics: GlobalStatistics) -> TapState:
        """Run all that comes before block 9; arguments as of `forward`."""
        raise NotImplementedError

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Return ``(B, 2, H, W)`` ab in CIE units."""
        height, width = state.size
        trunk, beside9, beside10 = state.maps
        ab = self.unet.decode(HintEncoding(trunk, beside9, beside10, ()), visit)
        return ab[:, :, :height, :width].float() * self.ab_scale


class GlobalHintsNetwork(GlobalNetwork):
    """The paper's: the U-Net of the Local Hints network on lightness alone, without a distribution.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        ab_scale: What 1 at the output means in CIE units: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(self, width: float = 1.0, *, ab_scale: float = 110.0) -> None:
        super().__init__(HintUNet(1, width, distribution=False), ab_scale)

    def before_taps(self, luma: Tensor, statistics: GlobalStatistics) -> TapState:
        """Run all that comes before block 9; arguments as of `forward`."""
        context = self.branch(statistics, luma.shape[0])
        encoded = self.unet.encode(pad_to_multiple((luma - 50) / 100, STRIDE), context=context)
        return TapState(encoded[:3], (luma.shape[-2], luma.shape[-1]))


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return histogram ``(batch, 313)``, zeros if not given, and saturation ``(batch, 1)``, -1 if not."""
    histogram = _known(statistics.histogram, like.new_zeros(batch, len(hull_centers())))
    return histogram, _known(statistics.saturation, like.new_full((batch, 1), -1.0))


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()


def _known(value: Tensor | None, absent: Tensor) -> Tensor:
    return absent if value is None else value.to(absent)
