"""Public names of `colorzoo.color`, which the package imports when they are used."""

from colorzoo.color.bins import (
    annealed_mean,
    hull_centers,
    nearest_bin,
    prior_probabilities,
    rebalancing_weights,
    soft_encode,
)
from colorzoo.color.edges import sobel
from colorzoo.color.lab import lab_to_rgb, lab_to_rgb_in_gamut, lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import canny_sketch, rgb_to_gray, xdog

__all__ = [
    "annealed_mean",
    "canny_sketch",
    "hull_centers",
    "lab_to_rgb",
    "lab_to_rgb_in_gamut",
    "lightness_to_rgb",
    "nearest_bin",
    "prior_probabilities",
    "rebalancing_weights",
    "rgb_to_gray",
    "rgb_to_lab",
    "sobel",
    "soft_encode",
    "xdog",
]
