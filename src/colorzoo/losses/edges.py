"""Losses on the color edges of a result, inside and outside of a user's scribbles (Kim et al. 2021)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import sobel_gradients

Gradient = Literal["signed", "magnitude"]

AB_SCALE = 110.0


def edge_maps(ab: Tensor, kind: Gradient = "signed") -> Tensor:
    """Return S(ab / 110), the Sobel maps that the losses compare.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        kind: ``"signed"``: the four derivatives of a and b along x and y; ``"magnitude"``: their length for
            a and for b. The paper does not say which; magnitudes teach edges of the wrong sign.

    Returns:
        ``(B, 4, H, W)`` or ``(B, 2, H, W)`` float32.
    """
    gradients = sobel_gradients(ab / AB_SCALE)
    if kind == "signed":
        return gradients.flatten(1, 2)
    # The root of exactly 0 has no gradient.
    return (gradients.square().sum(dim=2) + 1e-12).sqrt()


def masked_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the squared distance of two ``(B, C, H, W)`` maps, mean over each picture's mask: ``(B,)``.

    Args:
        one: Maps.
        other: Maps of the same shape.
        mask: ``(B, 1, H, W)`` in [0, 1]; a picture with an empty mask counts 0.
    """
    squared = (one - other).square().sum(dim=1, keepdim=True) * mask
    return squared.sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1)


def edge_error(one: Tensor, other: Tensor, mask: Tensor, *, scales: int = 1, kind: Gradient) -> Tensor:
    """Return the mean over scales of `masked_error` between the edge maps of two ab pictures: ``(B,)``.

    Args:
        one: ``(B, 2, H, W)`` in CIE units.
        other: ``(B, 2, H, W)`` in CIE units.
        mask: ``(B, 1, H, W)`` in {0, 1}.
        scales: 1 compares at full size alone; every further one halves pictures and mask (a cell that holds
            a marked pixel is marked).
        kind: See `edge_maps`.
    """
    total = one.new_zeros(len(one))
    for scale in range(scales):
        if scale:
            one, other = F.avg_pool2d(one, 2, ceil_mode=True), F.avg_pool2d(other, 2, ceil_mode=True)
            mask = F.max_pool2d(mask, 2, ceil_mode=True)
        total = total + masked_error(edge_maps(one, kind), edge_maps(other, kind), mask)
    return total / scales


def color_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the squared distance of two ab pictures over 110, mean over each picture's mask: ``(B,)``."""
    return masked_error(one.float() / AB_SCALE, other.float() / AB_SCALE, mask)


def widened(mask: Tensor, reach: int) -> Tensor:
    """Return a ``(B, 1, H, W)`` mask grown by ``reach`` pixels each way (a square of 2 reach + 1)."""
    return F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach) if reach else mask
