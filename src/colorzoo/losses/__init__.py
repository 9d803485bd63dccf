"""Losses as functions of tensors."""

from colorzoo.losses.color import (
    grid_cross_entropy,
    rebalanced_cross_entropy,
    smooth_l1_map,
    soft_cross_entropy,
    weighted_by_chroma,
)
from colorzoo.losses.exemplar import (
    contextual_loss,
    edge_aware_smoothness,
    neighbor_mean,
    relativistic_loss,
    self_reference_l1,
    unmatched_perceptual,
)
from colorzoo.losses.processes import sum_over_processes

__all__ = [
    "contextual_loss",
    "edge_aware_smoothness",
    "grid_cross_entropy",
    "neighbor_mean",
    "rebalanced_cross_entropy",
    "relativistic_loss",
    "self_reference_l1",
    "smooth_l1_map",
    "soft_cross_entropy",
    "sum_over_processes",
    "unmatched_perceptual",
    "weighted_by_chroma",
]
