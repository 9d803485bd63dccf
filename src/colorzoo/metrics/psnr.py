"""PSNR variants of colorization papers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_float, require_pair


def squared_errors(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared errors ``(B,)`` between two ``(B, C, H, W)`` batches."""
    return (image.float() - target.float()).square().mean(dim=(1, 2, 3))


def psnr(image: Tensor, target: Tensor, *, peak: float = 1.0) -> Tensor:
    """Return the PSNR of each image.

    Args:
        image: ``(B, C, H, W)``.
        target: ``(B, C, H, W)`` in the same units.
        peak: Maximum difference between two values; 1 for RGB in [0, 1].

    Returns:
        ``(B,)`` float32 in dB; inf for equal images.
    """
    return decibels(squared_errors(image, target), peak)


def psnr_8bit(rgb: Tensor, target: Tensor) -> Tensor:
    """Return the PSNR of each image after rounding to 8-bit RGB.

    The code of Zhang et al. 2017 and Cho et al. 2023 truncates instead, which lowers the PSNR of results that
    are not yet rounded by up to 0.12 dB.

    Examples:
        >>> truth = torch.full((2, 3, 8, 8), 0.5)
        >>> psnr_8bit(truth + 0.1, truth).shape
        torch.Size([2])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        target: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B,)`` in dB; inf for equal images.
    """
    return psnr(to_8bit(rgb), to_8bit(target), peak=255.0)


def decibels(mse: Tensor, peak: float) -> Tensor:
    """Convert mean squared errors to PSNR in dB; an error of 0 gives inf."""
    return 10 * torch.log10(peak**2 / mse)


def to_8bit(rgb: Tensor) -> Tensor:
    """Round RGB in [0, 1] to 8-bit levels (0 to 255), as float32, like an image file.

    Values that represent 8-bit levels keep their level in any floating-point precision, even bfloat16, and
    after conversion to Lab and back.

    Raises:
        DataError: The tensor has an integer dtype.
    """
    require_float(rgb)
    return (rgb.float().clamp(0, 1) * 255).round()


class MeanPSNR(ColorMetric):
    """Mean RGB PSNR over images, in dB (Zhang et al. 2017, Table 1).

    Images without error have infinite PSNR, so they are excluded from the mean and counted in ``exact``. By
    default, values are rounded to 8 bits first, so the result below is not exactly 20 dB.

    Examples:
        >>> truth = torch.full((2, 3, 8, 8), 0.5)
        >>> MeanPSNR()(truth + 0.1, truth)
        tensor(20.1720)

    Args:
        eight_bit: Whether to round both images to 8 bits first; see `psnr_8bit`.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"psnr": {}, "psnr_float": {"eight_bit": False}}
    higher_is_better = True

    def __init__(self, *, eight_bit: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.eight_bit = eight_bit
        kind, title = ("8bit", "PSNR") if eight_bit else ("float", "PSNR (float)")
        self.outputs = (Output(f"psnr_rgb_{kind}_mean", title, "dB", "higher", mean_of_moments, 2),)

    @property
    def is_differentiable(self) -> bool:  # type: ignore[override]
        """Whether the metric is differentiable; False if images are rounded to 8 bits."""
        return not self.eight_bit

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        self.add(psnr_8bit(rgb, target) if self.eight_bit else psnr(rgb, target))
