"""GuidingPainter's networks: f divides a sketch into ordered segments, g paints it (Cho et al. 2023).

Inside, sketches, colors and pictures are in [-1, 1], paper 1 and ink -1, as in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.taps import Visit, unchanged
from colorzoo.networks.unet import UNet
from colorzoo.zoo.cho2023.hints import Hints

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2
_FULLEST = 0.95  # the tanh reaches 1 nowhere


def base_channels(width: float) -> int:
    """Return the channels of the first level: 64 times ``width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


def as_residual(color: Tensor) -> Tensor:
    """Return what makes hints ``(B, 3, H, W)`` in [-1, 1], 0 where there are none, the start of a painting.

    It is added before the tanh; the network learns shades and lines on top. Not in the paper: its g learns in
    days to copy every hue, a narrow one does not in an hour.
    """
    return torch.atanh(_FULLEST * color)


class GuidingPainterNetwork(nn.Module):
    """f and g.

    Args:
        width: Multiplier of the channel counts of g; 1.0 is the paper's.
        segmenter_width: The same for f.
        segmenter_side: Largest shorter side at which f sees a sketch; its logits are enlarged.
        hint_residual: See `as_residual`.
    """

    def __init__(
        self,
        width: float = 1.0,
        segmenter_width: float = 1.0,
        segmenter_side: int | None = None,
        *,
        hint_residual: bool = False,
    ) -> None:
        super().__init__()
        self.hint_residual = hint_residual
        self.segmenter_side = segmenter_side
        self.segmenter = UNet(1, SEGMENTS, base_channels(segmenter_width))
        self.colorizer = UNet(1 + 3 + 1 + SEGMENTS, 3, base_channels(width))

    def divide(self, sketch: Tensor) -> Tensor:
        """Return the logits of the segments, ``(B, 30, H, W)``, of a sketch ``(B, 1, H, W)`` in [0, 1]."""
        small = self._seen(sketch)
        logits: Tensor = self.segmenter(2 * small - 1).float()
        if small is sketch:
            return logits
        return F.interpolate(logits, size=sketch.shape[-2:], mode="bilinear", align_corners=False)

    def _seen(self, sketch: Tensor) -> Tensor:
        """Return a sketch at the size at which f sees it; lines get thinner but stay black."""
        height, width = sketch.shape[-2:]
        scale = (self.segmenter_side or min(height, width)) / min(height, width)
        if scale >= 1:
            return sketch
        return 1 - F.adaptive_max_pool2d(1 - sketch, (round(height * scale), round(width * scale)))

    def paint(self, sketch: Tensor, hints: Hints, segments: Tensor) -> Tensor:
        """Return the picture ``(B, 3, H, W)`` in [-1, 1].

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: Colors in [-1, 1] and mask.
            segments: ``(B, 30, H, W)`` one-hot, hinted or not.
        """
        return self.after_taps(self.before_taps(sketch, hints, segments), unchanged)

    def before_taps(self, sketch: Tensor, hints: Hints, segments: Tensor) -> tuple[Tensor, ...]:
        """Run g up to its first tap; arguments as of `paint`."""
        x = torch.cat([2 * sketch - 1, hints.color, hints.mask, segments], dim=1)
        return *self.colorizer.before_taps(x), hints.color

    def after_taps(self, maps: tuple[Tensor, ...], visit: Visit) -> Tensor:
        """Return the picture ``(B, 3, H, W)`` in [-1, 1]."""
        *inner, color = maps
        height, width = color.shape[-2:]
        painted = self.colorizer.after_taps(tuple(inner), visit)[..., :height, :width].float()
        return torch.tanh(painted + as_residual(color) if self.hint_residual else painted)
