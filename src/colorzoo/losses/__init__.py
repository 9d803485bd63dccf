"""Training losses as functions of tensors."""

from colorzoo.losses.color import (
    grid_cross_entropy,
    rebalanced_cross_entropy,
    smooth_l1_map,
    weighted_by_chroma,
)
from colorzoo.losses.exemplar import contextual_loss, relativistic_loss
from colorzoo.losses.generic import (
    cross_entropy_gan_loss,
    feature_distance,
    least_squares_discriminator_loss,
    least_squares_loss,
    weighted_sum,
)
from colorzoo.losses.statistics import total_variation

__all__ = [
    "contextual_loss",
    "cross_entropy_gan_loss",
    "feature_distance",
    "grid_cross_entropy",
    "least_squares_discriminator_loss",
    "least_squares_loss",
    "rebalanced_cross_entropy",
    "relativistic_loss",
    "smooth_l1_map",
    "total_variation",
    "weighted_by_chroma",
    "weighted_sum",
]
