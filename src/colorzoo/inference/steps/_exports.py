"""Public names of `colorzoo.inference.steps`, which the package imports when they are used."""

from colorzoo.inference.steps.areas import draw_areas as draw_areas
from colorzoo.inference.steps.areas import encode_locked_colors as encode_locked_colors
from colorzoo.inference.steps.areas import locked_share as locked_share
from colorzoo.inference.steps.classes import find_classes as find_classes
from colorzoo.inference.steps.drawing import Drawing as Drawing
from colorzoo.inference.steps.drawing import divide_regions as divide_regions
from colorzoo.inference.steps.drawing import read_drawing as read_drawing
from colorzoo.inference.steps.healing import heal as heal
from colorzoo.inference.steps.reach import Paths as Paths
from colorzoo.inference.steps.reach import PointPatches as PointPatches
from colorzoo.inference.steps.reach import even_reaches as even_reaches
from colorzoo.inference.steps.reach import on_grid as on_grid
from colorzoo.inference.steps.reach import starting_reach as starting_reach
from colorzoo.inference.steps.regions import filled_regions as filled_regions
from colorzoo.inference.steps.regions import mean_region_colors as mean_region_colors
from colorzoo.inference.steps.regions import proposal_hash as proposal_hash
