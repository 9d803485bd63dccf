"""Losses as functions of tensors."""

from colorzoo.losses.color import grid_cross_entropy, smooth_l1_map

__all__ = ["grid_cross_entropy", "smooth_l1_map"]
