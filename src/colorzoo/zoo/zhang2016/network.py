"""Network of Zhang et al. 2016: lightness in, a distribution over 313 ab bins out."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import annealed_mean, hull_centers
from colorzoo.networks.blocks import conv3x3, conv_block, upconv4x4
from colorzoo.networks.hint_unet import scaled_width

LOGIT_STRIDE = 4


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

    def logits(self, luma: Tensor) -> Tensor:
        """Return ``(B, 313, ceil(H/4), ceil(W/4))`` for luma ``(B, 1, H, W)`` in [0, 100]."""
        x = self.block3(self.block2(self.block1((luma - 50) / 100)))
        x = self.block8(self.block7(self.block6(self.block5(self.block4(x)))))
        rows, columns = (-(-side // LOGIT_STRIDE) for side in luma.shape[-2:])
        logits: Tensor = self.class_head(x)[:, :, :rows, :columns].float()
        return logits

    def forward(self, luma: Tensor) -> DistributionOutput:
        """Color a picture of any size.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
        """
        logits = self.logits(luma)
        ab = annealed_mean(logits, self.centers, self.temperature)
        ab = F.interpolate(ab, scale_factor=LOGIT_STRIDE, mode="bilinear", align_corners=False)
        height, width = luma.shape[-2:]
        return DistributionOutput(ab[:, :, :height, :width], logits)
