"""What a person notices first in an automatic result: casts on gray things, wrong hues, too little color.

None of it asks for the true color itself, which lightness alone does not tell: `NeutralChroma` looks where
the truth has no color, `RightHue` where it clearly has one, `ColorfulnessShare` at the whole, and `GrayGain`
says whether giving no color would have been nearer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.metrics.checks import require_pair
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.psnr import MeanDecibels, psnr_8bit

NEUTRAL_BELOW = 5.0  # chroma of the truth, mean over a window, CIE units
NEUTRAL_WINDOW = 9  # pixels; the noise of a JPEG has chroma, its mean has not
COLORED_ABOVE = 15.0  # chroma of the truth
SEEN_ABOVE = 6.0  # chroma of a result that shows its hue at all
HUE_TOLERANCE = math.radians(35)


def chroma(ab: Tensor) -> Tensor:
    """Return the ``(B, 1, H, W)`` chroma of ``(B, 2, H, W)`` colors, float32 in CIE units."""
    length: Tensor = torch.linalg.vector_norm(ab.float(), dim=1, keepdim=True)
    return length


def neutral_area(target_ab: Tensor) -> Tensor:
    """Return where the truth is neutral: its chroma is below 5 in a 9 x 9 mean.

    Args:
        target_ab: ``(B, 2, H, W)`` truth in CIE units.

    Returns:
        ``(B, 1, H, W)`` bool; at the border the mean is over what lies inside.
    """
    padding = NEUTRAL_WINDOW // 2
    mean = F.avg_pool2d(chroma(target_ab), NEUTRAL_WINDOW, 1, padding, count_include_pad=False)
    return mean < NEUTRAL_BELOW


def neutral_chroma(ab: Tensor, target_ab: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed chroma of results over `neutral_area`, and its pixels, ``(B,)`` each."""
    area = neutral_area(target_ab)
    return (chroma(ab) * area).sum(dim=(1, 2, 3)), area.sum(dim=(1, 2, 3))


def right_hues(ab: Tensor, target_ab: Tensor) -> tuple[Tensor, Tensor]:
    """Count colored pixels whose hue is right.

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        target_ab: ``(B, 2, H, W)`` truth in CIE units.

    Returns:
        ``(B,)`` pixels of a true chroma over 15 whose result has a chroma over 6 within 35 degrees of the
        true hue, and ``(B,)`` pixels of a true chroma over 15.
    """
    ours, true = chroma(ab), chroma(target_ab)
    along = (ab.float() * target_ab.float()).sum(dim=1, keepdim=True)
    near = along >= math.cos(HUE_TOLERANCE) * ours * true
    colored = true > COLORED_ABOVE
    right = near & (ours > SEEN_ABOVE) & colored
    return right.sum(dim=(1, 2, 3)), colored.sum(dim=(1, 2, 3))


def gray_gain(rgb: Tensor, target: Tensor) -> Tensor:
    """Return by how much the PSNR over 8-bit RGB is above that of the truth's lightness without color.

    Args:
        rgb: ``(B, 3, H, W)`` result in [0, 1].
        target: ``(B, 3, H, W)`` truth in [0, 1].

    Returns:
        ``(B,)`` in dB.
    """
    gray = rgb_to_lab(target)
    gray[:, 1:] = 0
    return psnr_8bit(rgb, target) - psnr_8bit(lab_to_rgb(gray), target)


class Ratio(Metric):
    """A sum over a sum, of all pixels or pictures."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("total", "count"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, total: Tensor, count: Tensor) -> None:
        """Add the ``(B,)`` sums of a batch."""
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.total = self.total + total.to(self.total.device).double().sum()
        self.count = self.count + count.to(self.count.device).double().sum()

    def compute(self) -> Tensor:
        """Return the ratio; NaN if nothing was counted."""
        return (self.total / self.count).float()


class NeutralChroma(Ratio):
    """Mean chroma of results over all pixels of `neutral_area`, in CIE units."""

    higher_is_better = False
    is_differentiable = True

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add pictures: both ``(B, 2, H, W)`` in CIE units."""
        require_pair(ab, target_ab, 2)
        self.add(*neutral_chroma(ab, target_ab))


class RightHue(Ratio):
    """Share of all colored pixels whose hue is right, in [0, 1]; see `right_hues`."""

    higher_is_better = True
    is_differentiable = False

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add pictures: both ``(B, 2, H, W)`` in CIE units."""
        require_pair(ab, target_ab, 2)
        self.add(*right_hues(ab, target_ab))


class ColorfulnessShare(Ratio):
    """Mean colorfulness of results as a share of the truth's; 1 is as colorful, and more is no better."""

    is_differentiable = True

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        self.add(colorfulness(rgb), colorfulness(target))


class GrayGain(MeanDecibels):
    """Mean over pictures of `gray_gain`; exact pictures are counted apart, those of a gray truth left out."""

    is_differentiable = False

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        gain = gray_gain(rgb, target)
        self.add(gain.masked_fill(gain.isneginf(), torch.nan))
