"""Extraction of sketches from color images.

XDoG and Canny are the extractors of the papers. XDoG with a small standard deviation keeps the tone of
surfaces, which drawn lines do not have. `color_edges`, `drawn_lines` and `difference_lines` leave no tone.

All functions are batched and run on the device of the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.edges import canny
from colorzoo.color.lab import rgb_to_lab
from colorzoo.randomness import copy_to

SIGMAS = (0.3, 0.4, 0.5)
"""Standard deviations of XDoG in pixels for training; larger values give thicker lines."""

_XDOG_RATIO = 4.5  # standard deviation of the wide Gaussian relative to the narrow Gaussian
_XDOG_SHARPNESS = 19.0  # weight of the difference of Gaussians; p in the papers
_XDOG_THRESHOLD = 0.01  # level at which ink changes to paper
_XDOG_SLOPE = 1e9  # slope of the hyperbolic tangent below the threshold; phi in the papers
_PEN = 0.6  # standard deviation in pixels that softens the lines of `color_edges`
_FULL_INK = 0.6  # softened value that becomes black; a line of one pixel reaches 0.66


def rgb_to_gray(rgb: Tensor) -> Tensor:
    """Convert RGB to grayscale with the weights of BT.601.

    Examples:
        >>> rgb_to_gray(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 1, 4, 4])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B, 1, H, W)`` float32 in [0, 1].
    """
    weights = torch.tensor((0.299, 0.587, 0.114), device=rgb.device).view(1, 3, 1, 1)
    return (rgb.float() * weights).sum(1, keepdim=True)


def xdog(gray: Tensor, sigma: float | Sequence[float] | Tensor = 0.4) -> Tensor:
    """Extract the lines of an image with an extended difference of Gaussians (XDoG).

    Examples:
        >>> xdog(torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 1, 16, 16])

    The difference of Gaussians is ``U = 20 G(sigma) - 19 G(4.5 sigma)``. The result is 1 (white paper) where
    ``gray * U`` is at least 0.01. Elsewhere, the result is ``1 + tanh(1e9 (gray * U - 0.01))``. The constants
    come from the public code of the sketch papers. The large slope makes the result binary.

    Args:
        gray: ``(B, 1, H, W)`` in [0, 1]; see `rgb_to_gray`.
        sigma: Standard deviation of the narrow Gaussian in pixels: a number, or ``(B,)`` values.

    Returns:
        ``(B, 1, H, W)`` float32 in [0, 1]: 1 for paper, 0 for ink.
    """
    sigmas, gray = _per_image(sigma, len(gray)), gray.float()
    narrow, wide = _blur(gray, sigmas), _blur(gray, _XDOG_RATIO * sigmas)
    difference = (1 + _XDOG_SHARPNESS) * narrow - _XDOG_SHARPNESS * wide
    level = gray * difference
    ink = 1 + torch.tanh(_XDOG_SLOPE * (level - _XDOG_THRESHOLD))
    return torch.where(level >= _XDOG_THRESHOLD, torch.ones_like(level), ink)


def color_edges(rgb: Tensor, threshold: float | Tensor = 10.0, sigma: float | Tensor = 0.8) -> Tensor:
    """Extract the boundaries between flat colors as lines.

    Examples:
        >>> color_edges(torch.full((2, 3, 16, 16), 0.3)).min()
        tensor(1.)

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        threshold: Minimum color difference of neighboring pixels in CIE units (sum over L, a and b): a
            number, or ``(B,)`` values.
        sigma: Standard deviation in pixels of the Gaussian that smooths the colors: a number, or ``(B,)``
            values.

    Returns:
        ``(B, 1, H, W)`` in [0, 1]: 1 for paper, 0 for ink.
    """
    sigmas = _per_image(sigma, len(rgb))
    planes = rgb_to_lab(rgb).flatten(0, 1).unsqueeze(1)  # (3 B, 1, H, W): L, a and b of each image
    lab = _blur(planes, sigmas.repeat_interleave(3)).view_as(rgb)
    to_next_row = lab.diff(dim=2).abs().sum(1, keepdim=True)
    to_next_column = lab.diff(dim=3).abs().sum(1, keepdim=True)
    to_next_row = F.pad(to_next_row, (0, 0, 0, 1))  # 0 for the last row
    to_next_column = F.pad(to_next_column, (0, 1))  # 0 for the last column
    difference = torch.maximum(to_next_row, to_next_column)
    edges = (difference > _column(threshold, rgb)).float()
    soft = _blur(edges, _per_image(_PEN, len(rgb)))
    return 1 - (soft / _FULL_INK).clamp(max=1)


def drawn_lines(
    rgb: Tensor, width: int = 5, level: float | Tensor = 0.08, gain: float | Tensor = 2.5
) -> Tensor:
    """Extract the dark strokes of colored drawings; surfaces of any tone become paper.

    Examples:
        >>> drawn_lines(torch.full((2, 3, 16, 16), 0.3)).min()
        tensor(1.)

    The contrast of a pixel is ``1 - (gray + 0.02) / (surroundings + 0.02)``, similar to a color dodge. The
    surroundings are the smoothed maximum of the gray image in a neighborhood that is wider than a stroke. The
    result is ``1 - gain * (contrast - level)``, clipped to [0, 1].

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        width: Side of the neighborhood in pixels, an odd number.
        level: Contrast below which a pixel is paper: a number, or ``(B,)`` values.
        gain: Factor on the contrast above ``level``: a number, or ``(B,)`` values.

    Returns:
        ``(B, 1, H, W)`` in [0, 1]: 1 for paper, 0 for ink.
    """
    gray = rgb_to_gray(rgb)
    brightest = F.max_pool2d(gray, width, stride=1, padding=width // 2)
    surroundings = F.avg_pool2d(brightest, 3, stride=1, padding=1, count_include_pad=False)
    contrast = 1 - (gray + 0.02) / (surroundings + 0.02)  # 0.02 avoids high contrast in dark areas
    ink = (contrast - _column(level, rgb)).clamp(min=0) * _column(gain, rgb)
    return 1 - ink.clamp(max=1)


def difference_lines(
    rgb: Tensor, sigma: float | Tensor = 1.0, threshold: float | Tensor = 0.01, gain: float | Tensor = 40.0
) -> Tensor:
    """Extract lines with a difference of Gaussians that has no constant part, so surfaces become paper.

    Examples:
        >>> difference_lines(torch.full((2, 3, 16, 16), 0.3)).min()
        tensor(1.)

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        sigma: Standard deviation of the narrow Gaussian in pixels: a number, or ``(B,)`` values.
        threshold: Difference relative to the brightness of the neighborhood below which a pixel is paper: a
            number, or ``(B,)`` values.
        gain: Factor on the difference: a number, or ``(B,)`` values.

    Returns:
        ``(B, 1, H, W)`` in [0, 1]: 1 for paper, 0 for ink.
    """
    gray = rgb_to_gray(rgb)
    sigmas = _per_image(sigma, len(rgb))
    fine, coarse, wide = (_blur(gray, scale * sigmas) for scale in (1.0, 1.6, 4.0))
    contrast = (coarse - fine) / (wide + 0.25)  # 0.25 avoids high contrast in dark areas
    ink = (contrast - _column(threshold, rgb)).clamp(min=0) * _column(gain, rgb)
    return 1 - ink.clamp(max=1)


def canny_sketch(rgb: Tensor) -> Tensor:
    """Convert color images to Canny edge sketches.

    Examples:
        >>> canny_sketch(torch.ones(2, 3, 16, 16)).shape
        torch.Size([2, 1, 16, 16])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B, 1, H, W)`` in {0, 1}: 1 for paper, 0 for ink.
    """
    return 1 - canny(rgb_to_gray(rgb))


def _per_image(value: float | Sequence[float] | Tensor, batch: int) -> Tensor:
    """Return ``(B,)`` float32 values on the CPU."""
    return torch.as_tensor(value, dtype=torch.float32, device="cpu").expand(batch)


def _column(value: float | Tensor, images: Tensor) -> float | Tensor:
    """Return a number unchanged, or ``(B,)`` values as ``(B, 1, 1, 1)`` on the device of the images."""
    return copy_to(value, images.device).view(-1, 1, 1, 1) if isinstance(value, Tensor) else value


def _blur(gray: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each image of a float32 batch with a separate Gaussian, with reflection padding."""
    # normalized kernels (B, 2 R + 1), truncated at the radius of OpenCV, which the public code uses
    radii = ((8 * sigmas + 1).round().long() | 1) // 2
    radius = int(radii.numpy().max())  # computed on the host, which avoids a device synchronization
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device="cpu")
    weights = torch.exp(-(offsets**2) / (2 * sigmas.double()[:, None] ** 2))
    weights = weights * (offsets.abs() <= radii[:, None])  # narrow kernels are padded with zeros
    kernels = (weights / weights.sum(1, keepdim=True)).float().to(gray.device)
    # one pass for each dimension
    batch = len(kernels)
    planes = gray.transpose(0, 1)  # (1, B, H, W): one convolution group per image
    for dim, shape in ((2, (batch, 1, -1, 1)), (3, (batch, 1, 1, -1))):
        padded = planes.index_select(dim, _reflected(planes.shape[dim], radius, gray.device))
        with torch.autocast(gray.device.type, enabled=False):  # blur in float32
            planes = F.conv2d(padded, kernels.view(shape), groups=batch)
    return planes.transpose(0, 1)


def _reflected(length: int, radius: int, device: torch.device) -> Tensor:
    """Return the pixel indices of a row with ``radius`` reflected pixels on both sides."""
    period = max(1, 2 * (length - 1))
    index = torch.arange(-radius, length + radius, device=device).remainder(period)
    return torch.minimum(index, period - index).clamp(max=length - 1)
