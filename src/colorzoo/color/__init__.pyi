from .bins import annealed_mean as annealed_mean
from .bins import hull_centers as hull_centers
from .bins import nearest_bin as nearest_bin
from .bins import prior_probabilities as prior_probabilities
from .bins import rebalancing_weights as rebalancing_weights
from .bins import soft_encode as soft_encode
from .edges import sobel as sobel
from .lab import lab_to_rgb as lab_to_rgb
from .lab import lab_to_rgb_in_gamut as lab_to_rgb_in_gamut
from .lab import lightness_to_rgb as lightness_to_rgb
from .lab import rgb_to_lab as rgb_to_lab
from .sketch import canny_sketch as canny_sketch
from .sketch import rgb_to_gray as rgb_to_gray
from .sketch import xdog as xdog

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
