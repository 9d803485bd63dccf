"""What exemplar models share around their networks: references, what is warped, grids and padding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.warp_net import STRIDE

_MULTIPLE = 32  # the deepest map must have more than one place, or nothing is left of its normalization


class ReferencePicture(NamedTuple):
    """A reference picture.

    Attributes:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        ab: ``(B, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


class Warped(NamedTuple):
    """What comes over from the reference, at a quarter of the size.

    Attributes:
        ab: ``(B, 2, h, w)`` in CIE units.
        similarity: ``(B, 1, h, w)``, times both confidences; 0 where nothing matches.
        matched: ``(B, 1, h, w)`` bool, whether the place's class is in the reference.
        source: ``(B, 2, h, w)``, where in the reference the colors come from: x and y as shares of its size.
    """

    ab: Tensor
    similarity: Tensor
    matched: Tensor
    source: Tensor


def pad_picture(image: Tensor) -> Tensor:
    """Repeat the last row and column until both sides are multiples of 32."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="replicate")


def to_grid(classes: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Bring a map ``(B, 1, h, w)`` over a picture to the places of its features.

    Args:
        classes: Of any resolution; each place takes the nearest value at its top left corner, as published.
        size: Height and width of the picture that the map covers.
        grid: Rows and columns of places; those beyond the picture, where it is padded, repeat the border.
    """
    rows, columns = (
        (torch.arange(count, device=classes.device) * STRIDE * cells // side).clamp(max=cells - 1)
        for side, cells, count in zip(size, classes.shape[-2:], grid, strict=True)
    )
    return classes[:, :, rows][:, :, :, columns]


def enlarge(maps: Tensor) -> Tensor:
    """Repeat each place of ``(B, C, h, w)`` over its pixels: ``(B, C, 4h, 4w)``."""
    return maps.repeat_interleave(STRIDE, dim=2).repeat_interleave(STRIDE, dim=3)


def painted_ab(answer: Tensor, warped: Tensor) -> Tensor:
    """Return ab ``(B, 2, H, W)`` of a `ColorNet`'s answer; with a gate the warped colors are part of it.

    Args:
        answer: ``(B, 2, H, W)``, or with a gate ``(B, 3, H, W)``.
        warped: ``(B, 2, h, w)``, at a quarter of the size.
    """
    answer = answer.float()
    return answer if answer.shape[1] == 2 else answer[:, :2] + answer[:, 2:] * enlarge_smoothly(warped)


def enlarge_smoothly(maps: Tensor) -> Tensor:
    """Interpolate ``(B, C, h, w)`` to ``(B, C, 4h, 4w)``."""
    return F.interpolate(maps, scale_factor=STRIDE, mode="bilinear", align_corners=False)


def centers_of(grid: Tensor) -> Tensor:
    """Return x and y ``(B, 2, h, w)`` of the places of ``(B, C, h, w)``, as shares of its size."""
    rows, columns = ((torch.arange(n, device=grid.device) + 0.5) / n for n in grid.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).expand(len(grid), -1, -1, -1)
