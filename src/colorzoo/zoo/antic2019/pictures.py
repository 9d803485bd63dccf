"""Between lightness, RGB and what the networks read: ImageNet's normalization, and the luma that is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def normalize(rgb: Tensor) -> Tensor:
    """Return RGB ``(B, 3, H, W)`` in [0, 1] as the networks read it; one channel stands for three."""
    return (rgb - _channels(_MEAN, rgb)) / _channels(_DEVIATION, rgb)


def denormalize(normalized: Tensor) -> Tensor:
    """Return RGB of what the generator answers; it may leave [0, 1]."""
    return normalized * _channels(_DEVIATION, normalized) + _channels(_MEAN, normalized)


def gray_of_luma(luma: Tensor) -> Tensor:
    """Return the gray ``(B, 1, H, W)`` in [0, 1] whose lightness is L in [0, 100]."""
    nothing = torch.zeros_like(luma)
    return lab_to_rgb(torch.cat([luma, nothing, nothing], dim=1))[:, :1]


def keep_luma(rgb: Tensor, gray: Tensor) -> Tensor:
    """Give a painted picture the video luma of a gray one, as published: Y of the one, U and V of the other.

    With U and V fixed, a change of Y moves all channels alike.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        gray: ``(B, 1, H, W)`` in [0, 1].

    Returns:
        ``(B, 3, H, W)`` in [0, 1]; channels that leave it are cut off, as published.
    """
    return (rgb + gray - rgb_to_gray(rgb)).clamp(0, 1)


def ab_of(painted: Tensor, gray: Tensor) -> Tensor:
    """Return the ab ``(B, 2, H, W)`` of what the generator answers, after `keep_luma`."""
    with torch.autocast(painted.device.type, enabled=False):
        return rgb_to_lab(keep_luma(denormalize(painted.float()).clamp(0, 1), gray.float()))[:, 1:]


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
