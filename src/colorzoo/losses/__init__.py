"""Losses as functions of tensors."""

from colorzoo.losses.color import (
    bilinear_cross_entropy,
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
    sum_over_processes,
    unmatched_perceptual,
)

__all__ = [
    "bilinear_cross_entropy",
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
