"""Extraction of sketches from color images (XDoG, Canny), and cleaning of line art.

All functions are batched and run on the device of the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.edges import canny

SIGMAS = (0.3, 0.4, 0.5)
"""Standard deviations of XDoG in pixels for training; larger values give thicker lines."""

_PAPER = 0.92  # pixels above this gray level, relative to the paper, belong to the paper
_FAINTEST_INK = 0.7  # gray level relative to the paper; an image without darker pixels has no lines


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


def xdog(
    gray: Tensor,
    sigma: float | Sequence[float] | Tensor = 0.4,
    *,
    k: float = 4.5,
    sharpness: float = 19.0,
    threshold: float = 0.01,
    steepness: float = 1e9,
    weighted: bool = True,
) -> Tensor:
    """Extract the lines of an image with an extended difference of Gaussians (XDoG).

    Examples:
        >>> xdog(torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 1, 16, 16])

    The difference of Gaussians is ``U = (1 + sharpness) G(sigma) - sharpness G(k sigma)``. The result is 1
    (white paper) where ``gray * U`` is at least the threshold. Elsewhere, the result is
    ``1 + tanh(steepness (gray * U - threshold))``. The defaults are the constants in the public code of the
    sketch papers. Their large steepness makes the result binary.

    Args:
        gray: ``(B, 1, H, W)`` in [0, 1]; see `rgb_to_gray`.
        sigma: Standard deviation of the narrow Gaussian in pixels: a number, or ``(B,)`` values.
        k: Standard deviation of the wide Gaussian divided by ``sigma``.
        sharpness: Weight of the difference of Gaussians; p in the papers.
        threshold: Value of ``gray * U`` at which ink changes to paper.
        steepness: Slope below the threshold; phi in the papers.
        weighted: Whether to multiply U by ``gray``, as the public code does. If False, U replaces
            ``gray * U`` in the formula.

    Returns:
        ``(B, 1, H, W)`` float32 in [0, 1]: 1 for paper, 0 for ink.
    """
    sigmas = torch.as_tensor(sigma, dtype=torch.float32, device="cpu").expand(len(gray))
    with torch.autocast(gray.device.type, enabled=False):
        level = gray.float()
        fine, coarse = _blur(level, sigmas), _blur(level, k * sigmas)
        lines = (1 + sharpness) * fine - sharpness * coarse
        if weighted:
            lines = level * lines
        soft = 1 + torch.tanh(steepness * (lines - threshold))
        return torch.where(lines >= threshold, torch.ones_like(lines), soft)


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
    return 1 - canny(rgb_to_gray(rgb)).float()


def clean_line_art(gray: Tensor, reach: int = 31) -> Tensor:
    """Normalize scanned line art to white paper and black ink.

    Examples:
        >>> clean_line_art(torch.full((2, 1, 32, 32), 0.8)).shape
        torch.Size([2, 1, 32, 32])

    The paper level is the smoothed maximum around each pixel, so gray, yellowed and unevenly lit paper
    becomes white. The ink level is the 1st percentile of the image relative to the paper.

    Args:
        gray: ``(B, 1, H, W)`` in [0, 1].
        reach: Side of the square neighborhood in pixels.

    Returns:
        ``(B, 1, H, W)`` in [0, 1]; an image without lines becomes white.
    """
    reach = min(reach, *gray.shape[-2:])
    reach -= 1 - reach % 2  # odd
    paper = F.max_pool2d(gray, reach, stride=1, padding=reach // 2)
    paper = F.avg_pool2d(paper, reach, stride=1, padding=reach // 2, count_include_pad=False)
    share = (gray / paper.clamp(min=1e-3)).clamp(max=1)
    ink = share.flatten(1).kthvalue(1 + share[0].numel() // 100, dim=1).values.view(-1, 1, 1, 1)
    ink = ink.clamp(max=_FAINTEST_INK)
    return ((share - ink) / (_PAPER - ink)).clamp(0, 1)


def _blur(gray: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each image of a batch with a separate Gaussian, with reflection padding."""
    kernels = _kernels(sigmas).to(gray.device)
    batch, radius = len(kernels), kernels.shape[1] // 2
    planes = gray.transpose(0, 1)  # (1, B, H, W): one convolution group per image
    for dim, shape in ((2, (batch, 1, -1, 1)), (3, (batch, 1, 1, -1))):
        padded = planes.index_select(dim, _reflected(planes.shape[dim], radius, gray.device))
        planes = F.conv2d(padded, kernels.view(shape), groups=batch)
    return planes.transpose(0, 1)


def _kernels(sigmas: Tensor) -> Tensor:
    """Return ``(B, 2 R + 1)`` normalized Gaussians; narrow Gaussians are padded with zeros."""
    # truncate each kernel at the radius of OpenCV, which the public code uses
    radii = ((8 * sigmas + 1).round().long() | 1) // 2
    largest = int(radii.numpy().max())  # computed on the host, which avoids a device synchronization
    offsets = torch.arange(-largest, largest + 1, dtype=torch.float64, device="cpu")
    weights = torch.exp(-(offsets**2) / (2 * sigmas.double()[:, None] ** 2))
    weights = weights * (offsets.abs() <= radii[:, None])
    return (weights / weights.sum(1, keepdim=True)).float()


def _reflected(length: int, radius: int, device: torch.device) -> Tensor:
    """Return the pixel indices of a row with ``radius`` reflected pixels on both sides."""
    period = max(1, 2 * (length - 1))
    index = torch.arange(-radius, length + radius, device=device).remainder(period)
    return torch.minimum(index, period - index).clamp(max=length - 1)
