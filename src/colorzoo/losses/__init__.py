"""Training losses as functions of tensors."""

from colorzoo.losses.color import (
    bilinear_cross_entropy,
    grid_cross_entropy,
    rebalanced_cross_entropy,
    smooth_l1_map,
    weighted_by_chroma,
    with_weighted_gradient,
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
from colorzoo.losses.generic import (
    cross_entropy_gan_loss,
    feature_distance,
    least_squares_discriminator_loss,
    least_squares_loss,
    weighted_sum,
)
from colorzoo.losses.statistics import chi_square_distance, soft_histogram, total_variation

__all__ = [
    "bilinear_cross_entropy",
    "chi_square_distance",
    "contextual_loss",
    "cross_entropy_gan_loss",
    "edge_aware_smoothness",
    "feature_distance",
    "grid_cross_entropy",
    "least_squares_discriminator_loss",
    "least_squares_loss",
    "neighbor_mean",
    "rebalanced_cross_entropy",
    "relativistic_loss",
    "self_reference_l1",
    "smooth_l1_map",
    "soft_histogram",
    "sum_over_processes",
    "total_variation",
    "unmatched_perceptual",
    "weighted_by_chroma",
    "weighted_sum",
    "with_weighted_gradient",
]
