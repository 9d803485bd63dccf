"""CIEDE2000, a color difference that corrects CIE Lab for human perception."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_pair
from colorzoo.metrics.psnr import to_8bit


def ciede2000(lab: Tensor, target_lab: Tensor) -> Tensor:
    """Return the CIEDE2000 difference of each pixel (Sharma, Wu and Dalal 2005, eq. 2 to 22).

    Examples:
        >>> lab = torch.tensor([50.0, 2.6772, -79.7751]).view(1, 3, 1, 1)
        >>> target = torch.tensor([50.0, 0.0, -82.7485]).view(1, 3, 1, 1)
        >>> ciede2000(lab, target)
        tensor([[[[2.0425]]]])

    Args:
        lab: ``(B, 3, H, W)`` in CIE Lab.
        target_lab: ``(B, 3, H, W)`` in CIE Lab.

    Returns:
        ``(B, 1, H, W)`` differences.
    """
    pair = torch.stack([lab, target_lab]).double()
    lightness, a, b = pair.unbind(2)
    seventh = torch.hypot(a, b).mean(0) ** 7
    a = a * (1.5 - 0.5 * (seventh / (seventh + 25.0**7)).sqrt())
    chroma = torch.hypot(a, b)
    hue = torch.rad2deg(torch.atan2(b, a)) % 360
    is_gray = chroma[0] * chroma[1] == 0  # the hue is undefined
    # differences; the hue difference is between -180 and 180 degrees
    turn = (hue[0] - hue[1] + 180) % 360 - 180
    delta_hue = 2 * chroma.prod(0).sqrt() * torch.sin(torch.deg2rad(turn.masked_fill(is_gray, 0) / 2))
    delta_lightness, delta_chroma = lightness[0] - lightness[1], chroma[0] - chroma[1]
    # means; the mean hue lies on the shorter arc
    mean_lightness, mean_chroma = lightness.mean(0), chroma.mean(0)
    mean_hue = torch.where(is_gray, hue.sum(0), (hue[1] + turn / 2) % 360)
    weight = 1 - 0.17 * _cos(mean_hue - 30) + 0.24 * _cos(2 * mean_hue)
    weight = weight + 0.32 * _cos(3 * mean_hue + 6) - 0.20 * _cos(4 * mean_hue - 63)
    offset = (mean_lightness - 50) ** 2
    scaled_lightness = delta_lightness / (1 + 0.015 * offset / (20 + offset).sqrt())
    scaled_chroma = delta_chroma / (1 + 0.045 * mean_chroma)
    scaled_hue = delta_hue / (1 + 0.015 * mean_chroma * weight)
    # interaction of chroma and hue for blue colors
    rotation = 60 * torch.exp(-(((mean_hue - 275) / 25) ** 2))
    seventh = mean_chroma**7
    interaction = -2 * (seventh / (seventh + 25.0**7)).sqrt() * torch.sin(torch.deg2rad(rotation))
    squared = scaled_lightness**2 + scaled_chroma**2 + scaled_hue**2
    squared = squared + interaction * scaled_chroma * scaled_hue
    return squared.clamp(min=0).sqrt()[:, None].float()


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(torch.deg2rad(degrees))


class MeanCIEDE2000(ColorMetric):
    """Mean `ciede2000` over pixels, averaged over images rounded to 8 bits; about 1 is just noticeable.

    Examples:
        >>> truth = torch.full((2, 3, 8, 8), 0.5)
        >>> MeanCIEDE2000()(truth, truth)
        tensor(0.)
    """

    names = {"ciede2000": {}}
    outputs = (Output("ciede2000_mean", "CIEDE2000", "", "lower", mean_of_moments, 2),)
    higher_is_better = False
    is_differentiable = False

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        # float64 is computed on the CPU, because MPS lacks it
        labs = (rgb_to_lab(to_8bit(image) / 255).cpu() for image in (rgb, target))
        self.add(ciede2000(*labs).mean(dim=(1, 2, 3)))
