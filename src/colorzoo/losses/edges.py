"""Losses on color edges inside and outside of scribbles (Kim et al. 2021)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import sobel_gradients
from colorzoo.precision import in_float32

Gradient = Literal["signed", "magnitude"]

AB_SCALE = 110.0


@in_float32
def edge_maps(ab: Tensor, kind: Gradient = "signed") -> Tensor:
    """Compute Sobel gradients of ab / 110 (S in Kim et al. 2021).

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        kind: ``"signed"`` returns the four derivatives of a and b along x and y. ``"magnitude"`` returns the
            gradient magnitudes of a and b, which do not distinguish edges of opposite sign. The paper does
            not specify the kind.

    Returns:
        ``(B, 4, H, W)`` or ``(B, 2, H, W)`` float32.
    """
    gradients = sobel_gradients(ab / AB_SCALE)
    if kind == "signed":
        return gradients.flatten(1, 2)
    return torch.linalg.vector_norm(gradients, dim=2)


@in_float32
def masked_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference ``(B,)`` of two batches of maps inside a mask.

    The squared difference is summed over channels. The mask weights the pixels.

    Args:
        one: ``(B, C, H, W)`` maps.
        other: ``(B, C, H, W)`` maps.
        mask: ``(B, 1, H, W)`` in [0, 1]. An empty mask gives 0.
    """
    squared = (one - other).square().sum(dim=1, keepdim=True) * mask
    return squared.sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1)


@in_float32
def edge_error(one: Tensor, other: Tensor, mask: Tensor, *, kind: Gradient) -> Tensor:
    """Return the `masked_error` ``(B,)`` between the edge maps of two ab images.

    Args:
        one: ``(B, 2, H, W)`` in CIE units.
        other: ``(B, 2, H, W)`` in CIE units.
        mask: ``(B, 1, H, W)`` in {0, 1}.
        kind: Kind of the gradients; see `edge_maps`.
    """
    return masked_error(edge_maps(one, kind), edge_maps(other, kind), mask)


@in_float32
def color_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the `masked_error` ``(B,)`` between two ab ``(B, 2, H, W)``, each divided by 110."""
    return masked_error(one / AB_SCALE, other / AB_SCALE, mask)


def widened(mask: Tensor, reach: int) -> Tensor:
    """Dilate a mask ``(B, 1, H, W)`` with a square of side ``2 * reach + 1`` pixels."""
    return F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach)
