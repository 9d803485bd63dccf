"""Losses as functions of tensors."""

from colorzoo.losses.color import (
    grid_cross_entropy,
    rebalanced_cross_entropy,
    smooth_l1_map,
    soft_cross_entropy,
)

__all__ = ["grid_cross_entropy", "rebalanced_cross_entropy", "smooth_l1_map", "soft_cross_entropy"]
