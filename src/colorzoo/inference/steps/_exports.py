"""Public names of `colorzoo.inference.steps`, which the package imports when they are used."""

from colorzoo.inference.steps.areas import draw_areas, encode_locked_colors, locked_share
from colorzoo.inference.steps.classes import find_classes
from colorzoo.inference.steps.drawing import Drawing, divide_regions, read_drawing
from colorzoo.inference.steps.healing import heal
from colorzoo.inference.steps.reach import Paths, PointPatches, even_reaches, on_grid, starting_reach
from colorzoo.inference.steps.regions import filled_regions, mean_region_colors, proposal_hash

__all__ = [
    "Drawing",
    "Paths",
    "PointPatches",
    "divide_regions",
    "draw_areas",
    "encode_locked_colors",
    "even_reaches",
    "filled_regions",
    "find_classes",
    "heal",
    "locked_share",
    "mean_region_colors",
    "on_grid",
    "proposal_hash",
    "read_drawing",
    "starting_reach",
]
