"""Sobel gradients and Canny edges, based on kornia."""

from __future__ import annotations

import torch
from torch import Tensor


def sobel(image: Tensor) -> Tensor:
    """Return the Sobel gradient magnitude of each channel.

    Examples:
        >>> sobel(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])

    Args:
        image: ``(B, C, H, W)`` floating point.

    Returns:
        ``(B, C, H, W)`` float32; exactly 0 in flat areas, where `kornia.filters.sobel` returns 1e-3.
    """
    magnitude: Tensor = torch.linalg.vector_norm(sobel_gradients(image), dim=2)
    return magnitude


def canny(gray: Tensor) -> Tensor:
    """Detect edges with Canny's method and the default settings of kornia.

    Examples:
        >>> gray = torch.zeros(1, 1, 16, 16)
        >>> gray[..., 8:] = 1
        >>> canny(gray).shape
        torch.Size([1, 1, 16, 16])

    Args:
        gray: ``(B, 1, H, W)`` in [0, 1].

    Returns:
        ``(B, 1, H, W)`` float32 in {0, 1}.
    """
    import kornia.filters

    with torch.autocast(gray.device.type, enabled=False):
        edges: Tensor
        _, edges = kornia.filters.canny(gray.float())
    return (edges > 0).float()


def sobel_gradients(image: Tensor) -> Tensor:
    """Return the Sobel derivatives of each channel along x and y.

    Examples:
        >>> sobel_gradients(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 3, 2, 8, 8])

    Args:
        image: ``(B, C, H, W)`` floating point.

    Returns:
        ``(B, C, 2, H, W)`` float32: change per pixel along x, then along y (3 x 3 kernel divided by 8).
    """
    import kornia.filters

    with torch.autocast(image.device.type, enabled=False):
        gradients: Tensor = kornia.filters.spatial_gradient(image.float(), mode="sobel", order=1)
    return gradients
