"""Color: Lab and sRGB, what sRGB can show, bins of the ab plane, edges, sketches."""

from colorzoo.color.bins import (
    annealed_mean,
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
from colorzoo.color.edge_filters import canny, sobel, sobel_gradients
from colorzoo.color.gamut import at_lightness, in_gamut, reduce_chroma
from colorzoo.color.lab import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab, survives_rgb
from colorzoo.color.sketch import canny_sketch, clean_line_art, rgb_to_gray, xdog
from colorzoo.color.snap import snap_to_luma

__all__ = [
    "annealed_mean",
    "at_lightness",
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
    "nearest_bin",
    "prior_probabilities",
    "rebalancing_weights",
    "reduce_chroma",
    "rgb_to_gray",
    "rgb_to_lab",
    "snap_to_luma",
    "sobel",
    "sobel_gradients",
    "soft_encode",
    "soft_neighbors",
    "survives_rgb",
    "xdog",
]
