from .areas import draw_areas as draw_areas
from .areas import encode_locked_colors as encode_locked_colors
from .areas import locked_share as locked_share
from .classes import find_classes as find_classes
from .drawing import Drawing as Drawing
from .drawing import divide_regions as divide_regions
from .drawing import read_drawing as read_drawing
from .healing import heal as heal
from .reach import Paths as Paths
from .reach import PointPatches as PointPatches
from .reach import even_reaches as even_reaches
from .reach import on_grid as on_grid
from .reach import starting_reach as starting_reach
from .regions import filled_regions as filled_regions
from .regions import mean_region_colors as mean_region_colors
from .regions import proposal_hash as proposal_hash

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
