"""Color formulas of Torch7's image package, which the network was trained with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))
WHITE = (0.950456, 1.0, 1.088754)
EPSILON, KAPPA = 216 / 24389, 24389 / 27
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


def gray_of(rgb: Tensor) -> Tensor:
    """Return Y ``(B, 1, H, W)`` of RGB ``(B, 3, H, W)``."""
    return multiply(YUV[:1], rgb)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Return Lab of RGB ``(B, 3, H, W)``, which may leave [0, 1]."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = multiply(_XYZ, linear) / white(rgb)
    cubic = torch.where(xyz > EPSILON, xyz.clamp(min=EPSILON) ** (1 / 3), (KAPPA * xyz + 16) / 116)
    x, y, z = cubic.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def white(like: Tensor) -> Tensor:
    """Return XYZ ``(3, 1, 1)`` of white, of the type and device of a tensor."""
    return torch.tensor(WHITE, dtype=like.dtype, device=like.device).view(3, 1, 1)


def multiply(rows: Sequence[Sequence[float]], maps: Tensor) -> Tensor:
    """Return a matrix times the channels of ``(B, 3, H, W)``; autocast would round a matrix product."""
    first, second, third = maps.unbind(1)
    return torch.stack([a * first + b * second + c * third for a, b, c in rows], dim=1)
