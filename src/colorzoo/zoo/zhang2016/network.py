"""Network of Zhang et al. 2016: lightness in, a distribution over 313 ab bins out."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import annealed_mean, hull_centers
from colorzoo.networks.blocks import conv3x3, conv_block, upconv4x4
from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.padding import cells
from colorzoo.networks.taps import Tap, TapState, Visit

LOGIT_STRIDE = 4
CHROMA = 20.0  # CIE units, about the mean of a photo


class DistributionOutput(NamedTuple):
    """Answer of the network.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units, the annealed mean of the distribution.
        logits: ``(B, 313, ceil(H/4), ceil(W/4))`` at temperature 1.
    """

    ab: Tensor
    logits: Tensor


class DistributionNetwork(nn.Module):
    """Eight convolution blocks at strides down to 8, then a distribution at a quarter of the size.

    Logits, temperature and bin centers are apart, so that the network trains as a classifier and the
    temperature can be chosen afterwards.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        temperature: Of the annealed mean (eq. 5): 1 gives the mean, towards 0 the mode.
    """

    def __init__(self, width: float = 1.0, *, temperature: float = 0.38) -> None:
        super().__init__()
        self.temperature = temperature
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.block1 = conv_block((1, c64, c64), last_stride=2)
        self.block2 = conv_block((c64, c128, c128), last_stride=2)
        self.block3 = conv_block((c128, c256, c256, c256), last_stride=2)
        self.block4 = conv_block((c256, c512, c512, c512))
        self.block5 = conv_block((c512,) * 4, dilation=2)
        self.block6 = conv_block((c512,) * 4, dilation=2)
        self.block7 = conv_block((c512,) * 4)
        self.block8 = nn.Sequential(
            upconv4x4(c512, c256),
            nn.ReLU(),
            conv3x3(c256, c256),
            nn.ReLU(),
            conv3x3(c256, c256),
            nn.ReLU(),
        )
        self.class_head = nn.Conv2d(c256, len(hull_centers()), 1)
        self.centers = nn.Parameter(hull_centers().clone(), requires_grad=False)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The map behind block 8, and ab in CIE units after upsampling: a finer map there is not."""
        return Tap("8_3", self.class_head.in_channels, LOGIT_STRIDE), Tap("ab", 2, 1, scale=CHROMA)

    def logits(self, luma: Tensor) -> Tensor:
        """Return ``(B, 313, ceil(H/4), ceil(W/4))`` for luma ``(B, 1, H, W)`` in [0, 100]."""
        return self._head(self._features(luma), (luma.shape[-2], luma.shape[-1]))

    def forward(self, luma: Tensor) -> DistributionOutput:
        """Color a picture of any size.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
        """
        logits = self.logits(luma)
        height, width = luma.shape[-2:]
        return DistributionOutput(self._decode(logits)[:, :, :height, :width], logits)

    def before_taps(self, luma: Tensor) -> TapState:
        """Run all that comes before the head."""
        return TapState((self._features(luma),), (luma.shape[-2], luma.shape[-1]))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Return ``(B, 2, H, W)`` ab in CIE units."""
        height, width = state.size
        logits = self._head(visit("8_3", state.maps[0]), state.size)
        return visit("ab", self._decode(logits))[:, :, :height, :width]

    def _features(self, luma: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1((luma - 50) / 100)))
        features: Tensor = self.block8(self.block7(self.block6(self.block5(self.block4(x)))))
        return features

    def _head(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = (cells(side, LOGIT_STRIDE) for side in size)
        logits: Tensor = self.class_head(features)[:, :, :rows, :columns].float()
        return logits

    def _decode(self, logits: Tensor) -> Tensor:
        ab = annealed_mean(logits, self.centers, self.temperature)
        return F.interpolate(ab, scale_factor=LOGIT_STRIDE, mode="bilinear", align_corners=False)
