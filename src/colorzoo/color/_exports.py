"""Public names of `colorzoo.color`, which the package imports when they are used."""

from colorzoo.color.bins import annealed_mean as annealed_mean
from colorzoo.color.bins import hull_centers as hull_centers
from colorzoo.color.bins import nearest_bin as nearest_bin
from colorzoo.color.bins import prior_probabilities as prior_probabilities
from colorzoo.color.bins import rebalancing_weights as rebalancing_weights
from colorzoo.color.bins import soft_encode as soft_encode
from colorzoo.color.edges import sobel as sobel
from colorzoo.color.lab import lab_to_rgb as lab_to_rgb
from colorzoo.color.lab import lab_to_rgb_in_gamut as lab_to_rgb_in_gamut
from colorzoo.color.lab import lightness_to_rgb as lightness_to_rgb
from colorzoo.color.lab import rgb_to_lab as rgb_to_lab
from colorzoo.color.sketch import canny_sketch as canny_sketch
from colorzoo.color.sketch import rgb_to_gray as rgb_to_gray
from colorzoo.color.sketch import xdog as xdog
