from .areas import Area as Area
from .areas import Mask as Mask
from .color_statistics import ab_histogram as ab_histogram
from .color_statistics import mean_saturation as mean_saturation
from .color_statistics import statistics_of as statistics_of
from .edits import ColorReplacement as ColorReplacement
from .edits import Crop as Crop
from .edits import PaintStroke as PaintStroke
from .hints import Boxes as Boxes
from .hints import ClassMap as ClassMap
from .hints import Exemplar as Exemplar
from .hints import GlobalStatistics as GlobalStatistics
from .hints import Guidance as Guidance
from .hints import Points as Points
from .hints import Regions as Regions
from .hints import Scribbles as Scribbles
from .recipe import BoxHint as BoxHint
from .recipe import PointHint as PointHint
from .recipe import Recipe as Recipe
from .recipe import RegionColor as RegionColor
from .recipe import Stroke as Stroke

__all__ = [
    "Area",
    "BoxHint",
    "Boxes",
    "ClassMap",
    "ColorReplacement",
    "Crop",
    "Exemplar",
    "GlobalStatistics",
    "Guidance",
    "Mask",
    "PaintStroke",
    "PointHint",
    "Points",
    "Recipe",
    "RegionColor",
    "Regions",
    "Scribbles",
    "Stroke",
    "ab_histogram",
    "mean_saturation",
    "statistics_of",
]
