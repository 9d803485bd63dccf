"""Color conversion, gamut mapping, ab quantization, edge detection and sketch extraction."""

from colorzoo.color.bins import (
    annealed_mean,
    bilinear_bins,
    grid_centers,
    grid_index,
    hull_centers,
    hull_mask,
    nearest_bin,
    prior_probabilities,
    rebalancing_weights,
    soft_encode,
    soft_neighbors,
)
from colorzoo.color.edges import canny, sobel, sobel_gradients
from colorzoo.color.gamut import (
    at_lightness,
    in_gamut,
    lab_to_rgb_in_gamut,
    reduce_chroma,
    snap_to_lightness,
    survives_rgb,
)
from colorzoo.color.lab import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import canny_sketch, clean_line_art, rgb_to_gray, xdog

__all__ = [
    "annealed_mean",
    "at_lightness",
    "bilinear_bins",
    "canny",
    "canny_sketch",
    "clean_line_art",
    "grid_centers",
    "grid_index",
    "hull_centers",
    "hull_mask",
    "in_gamut",
    "lab_to_rgb",
    "lab_to_rgb_in_gamut",
    "lightness_to_rgb",
    "nearest_bin",
    "prior_probabilities",
    "rebalancing_weights",
    "reduce_chroma",
    "rgb_to_gray",
    "rgb_to_lab",
    "snap_to_lightness",
    "sobel",
    "sobel_gradients",
    "soft_encode",
    "soft_neighbors",
    "survives_rgb",
    "xdog",
]
