"""GuidingPainter's networks: f divides a sketch into ordered segments, g paints it (Cho et al. 2023).

Inside, sketches, colors and pictures are in [-1, 1], paper 1 and ink -1, as in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorzoo.networks.unet import UNet
from colorzoo.zoo.cho2023.hints import Hints

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2


def base_channels(width: float) -> int:
    """Return the channels of the first level: 64 times ``width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


class GuidingPainterNetwork(nn.Module):
    """f and g.

    Args:
        width: Multiplier of the channel counts of g; 1.0 is the paper's.
        segmenter_width: The same for f.
    """

    def __init__(self, width: float = 1.0, segmenter_width: float = 1.0) -> None:
        super().__init__()
        self.segmenter = UNet(1, SEGMENTS, base_channels(segmenter_width))
        self.colorizer = UNet(1 + 3 + 1 + SEGMENTS, 3, base_channels(width))

    def divide(self, sketch: Tensor) -> Tensor:
        """Return the logits of the segments, ``(B, 30, H, W)``, of a sketch ``(B, 1, H, W)`` in [0, 1]."""
        logits: Tensor = self.segmenter(2 * sketch - 1)
        return logits.float()

    def paint(self, sketch: Tensor, hints: Hints, segments: Tensor) -> Tensor:
        """Return the picture ``(B, 3, H, W)`` in [-1, 1].

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: Colors in [-1, 1] and mask.
            segments: ``(B, 30, H, W)`` one-hot, hinted or not.
        """
        x = torch.cat([2 * sketch - 1, hints.color, hints.mask, segments], dim=1)
        return torch.tanh(self.colorizer(x).float())
