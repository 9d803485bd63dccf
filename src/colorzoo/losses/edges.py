"""Losses on color edges inside and outside of scribbles (Kim et al. 2021)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.edges import sobel_gradients
from colorzoo.precision import in_float32

_AB_SCALE = 110.0  # as in `colorzoo.networks.scaling`, which losses must not import


@in_float32
def edge_maps(ab: Tensor) -> Tensor:
    """Compute Sobel gradients of ab / 110 (S in Kim et al. 2021).

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.

    Returns:
        Derivatives of a and b along x and y, ``(B, 4, H, W)`` float32.
    """
    return sobel_gradients(ab / _AB_SCALE).flatten(1, 2)


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
def edge_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the `masked_error` ``(B,)`` between the edge maps of two ab images.

    Args:
        one: ``(B, 2, H, W)`` in CIE units.
        other: ``(B, 2, H, W)`` in CIE units.
        mask: ``(B, 1, H, W)`` in {0, 1}.
    """
    return masked_error(edge_maps(one), edge_maps(other), mask)


@in_float32
def color_error(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the `masked_error` ``(B,)`` between two ab ``(B, 2, H, W)``, each divided by 110."""
    return masked_error(one / _AB_SCALE, other / _AB_SCALE, mask)


def widened(mask: Tensor, reach: int) -> Tensor:
    """Dilate a mask ``(B, 1, H, W)`` with a square of side ``2 * reach + 1`` pixels."""
    return F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach)
