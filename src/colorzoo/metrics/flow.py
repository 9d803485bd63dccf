"""Optical flow between frames: estimation, warping, and the pixels visible in both frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Flow = Callable[[Tensor, Tensor], Tensor]
"""Function of two ``(B, 3, H, W)`` frames in [0, 1] that returns the position of each pixel of the first
frame in the second: ``(B, 2, H, W)`` pixels to the right and down, relative to its own."""


def opencv_flow(first: Tensor, second: Tensor) -> Tensor:
    """Return the flow by OpenCV's dense inverse search (Kroeger et al. 2016), which needs no weights.

    Examples:
        >>> frame = torch.rand(1, 3, 32, 32)
        >>> opencv_flow(frame, frame.roll(1, dims=-1)).shape
        torch.Size([1, 2, 32, 32])

    Args:
        first: ``(B, 3, H, W)`` in [0, 1].
        second: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B, 2, H, W)`` float32 in pixels, to the right and down.
    """
    import cv2

    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grays = [
        (frames.float().mean(dim=1) * 255).round().clamp(0, 255).byte().cpu().numpy()
        for frames in (first, second)
    ]
    found = [torch.from_numpy(search.calc(*pair, None)) for pair in zip(*grays, strict=True)]
    return torch.stack(found).permute(0, 3, 1, 2).to(first.device)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Sample an image bilinearly at the positions that the flow points to; 0 beyond the border.

    Args:
        image: ``(B, C, H, W)``.
        flow: ``(B, 2, H, W)`` in pixels, to the right and down.

    Returns:
        ``(B, C, H, W)``.
    """
    height, width = image.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    # grid_sample without align_corners takes -1 and 1 for the outer edges of the first and last pixel
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def visible_in_both(forward: Tensor, backward: Tensor) -> Tensor:
    """Return the pixels of the first frame that are visible in the second (Ruder et al. 2016, eqs. 5 and 6).

    False for pixels that move beyond the border, pixels for which forward and backward flow disagree, and
    motion boundaries, where flow is unreliable.

    Args:
        forward: ``(B, 2, H, W)`` flow from the first to the second frame in pixels.
        backward: ``(B, 2, H, W)`` from the second to the first.

    Returns:
        ``(B, 1, H, W)`` bool.
    """
    back = warp(backward, forward)
    inside = warp(torch.ones_like(forward[:, :1]), forward) > 0.999
    size, apart = _squared(forward), _squared(forward + back)
    returns = apart <= 0.01 * (size + _squared(back)) + 0.5
    down = F.pad(forward.diff(dim=2), (0, 0, 0, 1))
    right = F.pad(forward.diff(dim=3), (0, 1))
    smooth = _squared(down) + _squared(right) <= 0.01 * size + 0.002
    return inside & returns & smooth


def _squared(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=1, keepdim=True)
