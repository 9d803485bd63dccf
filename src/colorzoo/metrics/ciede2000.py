"""CIEDE2000: a color difference that matches human perception better than the distance in Lab."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.metrics.base import ImageMean, Output, mean_of_moments, require_pair

_25_TO_7 = 25.0**7


def ciede2000(lab: Tensor, target_lab: Tensor) -> Tensor:
    """Return the CIEDE2000 difference of colors (Sharma, Wu and Dalal 2005, eqs. 1 to 22).

    Examples:
        >>> one = torch.tensor([50.0, 2.6772, -79.7751]).view(1, 3, 1, 1)
        >>> other = torch.tensor([50.0, 0.0, -82.7485]).view(1, 3, 1, 1)
        >>> ciede2000(one, other).flatten()
        tensor([2.0425])

    Args:
        lab: ``(B, 3, H, W)`` CIE Lab.
        target_lab: ``(B, 3, H, W)``.

    Returns:
        ``(B, H, W)`` float32, 0 for equal colors; about 1 is a just noticeable difference.
    """
    lightness, a, b = lab.double().unbind(1)
    true_lightness, true_a, true_b = target_lab.double().unbind(1)
    chroma_7 = ((torch.hypot(a, b) + torch.hypot(true_a, true_b)) / 2) ** 7
    stretch = 1.5 - 0.5 * (chroma_7 / (chroma_7 + _25_TO_7)).sqrt()
    a, true_a = a * stretch, true_a * stretch
    chroma, true_chroma = torch.hypot(a, b), torch.hypot(true_a, true_b)
    hue, true_hue = (torch.atan2(y, x).rad2deg() % 360 for x, y in ((a, b), (true_a, true_b)))

    neutral = chroma * true_chroma == 0
    turn = true_hue - hue
    far = turn.abs() > 180
    turn = torch.where(far, turn - 360 * turn.sign(), turn).masked_fill(neutral, 0)
    both = hue + true_hue
    mean_hue = torch.where(far, (both + torch.where(both < 360, 360.0, -360.0)) / 2, both / 2)
    mean_hue = torch.where(neutral, both, mean_hue)
    mean_chroma, mean_lightness = (chroma + true_chroma) / 2, (lightness + true_lightness) / 2

    square = (mean_lightness - 50) ** 2
    weight = (
        1
        - 0.17 * _cosine(mean_hue - 30)
        + 0.24 * _cosine(2 * mean_hue)
        + 0.32 * _cosine(3 * mean_hue + 6)
        - 0.20 * _cosine(4 * mean_hue - 63)
    )
    of_lightness = (true_lightness - lightness) / (1 + 0.015 * square / (20 + square).sqrt())
    of_chroma = (true_chroma - chroma) / (1 + 0.045 * mean_chroma)
    of_hue = 2 * (chroma * true_chroma).sqrt() * torch.sin((turn / 2).deg2rad())
    of_hue = of_hue / (1 + 0.015 * mean_chroma * weight)
    rotation = 60 * torch.exp(-(((mean_hue - 275) / 25) ** 2))
    chroma_7 = mean_chroma**7
    tilt = -2 * (chroma_7 / (chroma_7 + _25_TO_7)).sqrt() * torch.sin(rotation.deg2rad())
    total = of_lightness**2 + of_chroma**2 + of_hue**2 + tilt * of_chroma * of_hue
    return total.clamp(min=0).sqrt().float()


def _cosine(degrees: Tensor) -> Tensor:
    return torch.cos(degrees.deg2rad())


class MeanCIEDE2000(ImageMean):
    """Mean over images of the mean `ciede2000` over pixels.

    Examples:
        >>> truth = torch.full((2, 3, 8, 8), 0.5)
        >>> MeanCIEDE2000()(truth, truth)
        tensor(0.)
    """

    names = {"ciede2000": {}}
    higher_is_better = False
    is_differentiable = False

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add images: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        with torch.no_grad():  # no gradient exists at equal colors (root) and at gray colors (angle)
            self.add(ciede2000(rgb_to_lab(rgb), rgb_to_lab(target)).mean(dim=(1, 2)))

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        """Return the report columns of this metric; see `ColorMetric.outputs`."""
        return (Output("ciede2000_mean", "CIEDE2000", "", "lower", mean_of_moments, 2),)
