from .bins import annealed_mean as annealed_mean
from .bins import bilinear_bins as bilinear_bins
from .bins import grid_centers as grid_centers
from .bins import grid_index as grid_index
from .bins import hull_centers as hull_centers
from .bins import hull_mask as hull_mask
from .bins import nearest_bin as nearest_bin
from .bins import prior_probabilities as prior_probabilities
from .bins import rebalancing_weights as rebalancing_weights
from .bins import soft_encode as soft_encode
from .bins import soft_neighbors as soft_neighbors
from .edges import canny as canny
from .edges import sobel as sobel
from .edges import sobel_gradients as sobel_gradients
from .lab import at_lightness as at_lightness
from .lab import in_gamut as in_gamut
from .lab import lab_to_rgb as lab_to_rgb
from .lab import lab_to_rgb_in_gamut as lab_to_rgb_in_gamut
from .lab import lightness_to_luminance as lightness_to_luminance
from .lab import lightness_to_rgb as lightness_to_rgb
from .lab import reduce_chroma as reduce_chroma
from .lab import rgb_to_lab as rgb_to_lab
from .levels import encoded as encoded
from .levels import lightness_of_levels as lightness_of_levels
from .sketch import canny_sketch as canny_sketch
from .sketch import rgb_to_gray as rgb_to_gray
from .sketch import xdog as xdog

__all__ = [
    "annealed_mean",
    "at_lightness",
    "bilinear_bins",
    "canny",
    "canny_sketch",
    "encoded",
    "grid_centers",
    "grid_index",
    "hull_centers",
    "hull_mask",
    "in_gamut",
    "lab_to_rgb",
    "lab_to_rgb_in_gamut",
    "lightness_of_levels",
    "lightness_to_luminance",
    "lightness_to_rgb",
    "nearest_bin",
    "prior_probabilities",
    "rebalancing_weights",
    "reduce_chroma",
    "rgb_to_gray",
    "rgb_to_lab",
    "sobel",
    "sobel_gradients",
    "soft_encode",
    "soft_neighbors",
    "xdog",
]
