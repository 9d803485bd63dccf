"""Hue and chroma of Larsson et al. 2016: a bicone around the gray axis, and histograms over 32 bins of each.

The gray level is the mean of red, green and blue, the chroma their range, the hue that of HSV.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

BINS = 32
"""Bins of hue, and of chroma."""

ChromaRule = Literal["median", "expectation", "mode", "q75"]
HueRule = Literal["expectation-cf", "expectation", "median", "mode"]

_FADED_BELOW = 0.03  # of the mean direction of all bins, 1 / 32 of that of their sum
_STEPS, _SMOOTHING = 20, 0.01
_GRAY = 0.01  # mean chroma below which the hues of a picture count less


def hue_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return hue in [0, 1), 0 of gray, and chroma in [0, 1], ``(B, H, W)``, of RGB ``(B, 3, H, W)``."""
    red, green, blue = rgb.unbind(1)
    most, chroma = rgb.amax(1), rgb.amax(1) - rgb.amin(1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    sector = torch.where(
        most == red,
        (green - blue) / safe,
        torch.where(most == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = torch.where(chroma > 0, (sector / 6) % 1, 0.0)
    return torch.where(hue < 1, hue, 0.0), chroma


def bins_of(values: Tensor) -> Tensor:
    """Return the bins, int64, of hues or chromas in [0, 1]."""
    return (BINS * values).long().clamp(max=BINS - 1)


def chroma_of(shares: Tensor, rule: ChromaRule) -> Tensor:
    """Return the chroma ``(B, H, W)`` of histograms ``(B, 32, H, W)``."""
    if rule == "mode":
        return shares.argmax(1).to(shares) / BINS  # the lower border of the bin, unlike that of hue
    if rule == "expectation":
        return (shares * _centers(shares)).sum(1)
    return _quantile(shares, 0.5 if rule == "median" else 0.75)


def hue_of(shares: Tensor, rule: HueRule) -> tuple[Tensor, Tensor]:
    """Return the hue ``(B, H, W)`` in [0, 1) of histograms ``(B, 32, H, W)``, and a factor on the chroma.

    The factor of ``expectation-cf`` (chromatic fading) is below 1 where the histogram has no clear direction;
    that of the others is 1.
    """
    if rule in ("mode", "median"):
        hue = (shares.argmax(1).to(shares) + 0.5) / BINS if rule == "mode" else _quantile(shares, 0.5)
        return hue, torch.ones_like(hue)
    angle = 2 * math.pi * _centers(shares)
    x, y = (shares * angle.cos()).sum(1), (shares * angle.sin()).sum(1)
    hue = (torch.atan2(y, x) / (2 * math.pi)) % 1
    if rule == "expectation":
        return hue, torch.ones_like(hue)
    return hue, (torch.hypot(x, y) / BINS).clamp(max=_FADED_BELOW) / _FADED_BELOW


def to_rgb(
    gray: Tensor,
    hue_shares: Tensor,
    chroma_shares: Tensor,
    *,
    hue: HueRule = "expectation-cf",
    chroma: ChromaRule = "median",
    boost: float = 1.0,
) -> Tensor:
    """Return the colors of histograms, whose mean may differ from the gray level; see `keep_gray`.

    Args:
        gray: ``(B, 1, H, W)`` in [0, 1].
        hue_shares: ``(B, 32, H, W)``.
        chroma_shares: ``(B, 32, H, W)``.
        hue: How a hue is read from a histogram.
        chroma: How a chroma is read.
        boost: Factor on the saturation.

    Returns:
        RGB ``(B, 3, H, W)`` in [0, 1].
    """
    level, angle_and_fade = gray[:, 0], hue_of(hue_shares, hue)
    angle, fade = angle_and_fade
    ring = chroma_of(chroma_shares, chroma) * fade
    total = 2 * level + ring  # 0 only of black without chroma
    saturation = (2 * ring / torch.where(total > 0, total, 1.0) * boost).clamp(0, 1)
    return hsv_to_rgb(angle, saturation, (level + ring / 2).clamp(0, 1))


def keep_gray(rgb: Tensor, gray: Tensor) -> Tensor:
    """Shift every pixel so that its mean is the gray level again, and clip."""
    return (rgb + (gray - rgb.mean(1, keepdim=True))).clamp(0, 1)


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return RGB ``(B, 3, H, W)`` of hue, saturation and value in [0, 1], ``(B, H, W)`` each."""
    sectors = [(start + 6 * hue) % 6 for start in (5, 3, 1)]
    return torch.stack(
        [value - value * saturation * torch.minimum(at, 4 - at).clamp(0, 1) for at in sectors], dim=1
    )


def histograms_of(rgb: Tensor) -> Tensor:
    """Return the global histograms of pictures.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B, 2, 32)``: hue, each pixel by its chroma, and chroma. Each sums to 1, that of the hue of a gray
        picture to nearly 0.
    """
    hue, chroma = hue_and_chroma(rgb)
    number = torch.arange(BINS, device=rgb.device).view(-1, 1, 1)
    colored = ((bins_of(hue)[:, None] == number) * chroma[:, None]).mean((2, 3))
    counted = (bins_of(chroma)[:, None] == number).to(rgb).mean((2, 3))
    return torch.stack([colored / colored.sum(1, keepdim=True).clamp(min=_GRAY), counted], dim=1)


def transfer(shares: Tensor, target: Tensor, weight: Tensor, alpha: float = 1.0) -> Tensor:
    """Give histograms a global one: the same factor on a bin everywhere, so that their mean becomes it.

    The factors are those of a bias on the logits of each bin, found by proportional steps.

    Args:
        shares: ``(B, 32, H, W)``.
        target: ``(B, 32)``; one that sums to 0 changes nothing.
        weight: ``(B, 1, H, W)``, how much each place counts in the mean.
        alpha: Power of the factors: 0 changes nothing, 1 goes all the way.

    Returns:
        ``(B, 32, H, W)``.
    """
    weight = weight / weight.sum((2, 3), keepdim=True).clamp(min=1e-12)

    def mean(each: Tensor) -> Tensor:
        return (each * weight).sum((2, 3), keepdim=True)

    before = mean(shares)
    wanted = target[:, :, None, None] + _SMOOTHING * before  # a bin without any would be lost
    wanted = wanted / wanted.sum(1, keepdim=True)
    factors = torch.ones_like(before)
    for _ in range(_STEPS):
        factors = factors * wanted / mean(_normalized(shares * factors)).clamp(min=1e-12)
    return _normalized(shares * factors**alpha)


def _normalized(shares: Tensor) -> Tensor:
    return shares / shares.sum(1, keepdim=True).clamp(min=1e-12)


def _quantile(shares: Tensor, level: float) -> Tensor:
    return ((shares.cumsum(1) < level).sum(1).to(shares) + 0.5) / BINS


def _centers(like: Tensor) -> Tensor:
    return (torch.arange(BINS, device=like.device, dtype=like.dtype).view(-1, 1, 1) + 0.5) / BINS
