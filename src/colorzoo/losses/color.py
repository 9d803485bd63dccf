"""Losses on predicted ab and on distributions over the ab grid."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import grid_index


def smooth_l1_map(ab: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    """Return the smooth-l1 distance per pixel, summed over a and b (Zhang et al. 2017, eq. 3-4).

    Args:
        ab: ``(B, 2, H, W)`` prediction in CIE units.
        target: ``(B, 2, H, W)`` truth in CIE units.
        delta: Distance at which the square becomes linear, in CIE units; 1 in the paper.

    Returns:
        ``(B, 1, H, W)``; the slope is 1 beyond ``delta``.
    """
    return F.smooth_l1_loss(ab, target, reduction="none", beta=delta).sum(dim=1, keepdim=True)


def grid_cross_entropy(logits: Tensor, ab: Tensor, *, stride: int) -> Tensor:
    """Return the mean cross-entropy of a distribution over the 529 bins of the ab grid.

    The target of a position is the bin of the true color at its top left pixel, without averaging, as in the
    authors' training code.

    Args:
        logits: ``(B, 529, h, w)``.
        ab: ``(B, 2, H, W)`` truth in CIE units, with H about ``stride * h``.
        stride: Pixels per position.
    """
    return F.cross_entropy(logits, grid_index(ab[:, :, ::stride, ::stride]))
