from colorzoo.guidance.areas import Area as Area
from colorzoo.guidance.areas import Mask as Mask
from colorzoo.guidance.color_statistics import ab_histogram as ab_histogram
from colorzoo.guidance.color_statistics import mean_saturation as mean_saturation
from colorzoo.guidance.color_statistics import statistics_of as statistics_of
from colorzoo.guidance.edits import ColorReplacement as ColorReplacement
from colorzoo.guidance.edits import Crop as Crop
from colorzoo.guidance.edits import PaintStroke as PaintStroke
from colorzoo.guidance.hints import Boxes as Boxes
from colorzoo.guidance.hints import ClassMap as ClassMap
from colorzoo.guidance.hints import Exemplar as Exemplar
from colorzoo.guidance.hints import GlobalStatistics as GlobalStatistics
from colorzoo.guidance.hints import Guidance as Guidance
from colorzoo.guidance.hints import Points as Points
from colorzoo.guidance.hints import Regions as Regions
from colorzoo.guidance.hints import Scribbles as Scribbles
from colorzoo.guidance.recipe import BoxHint as BoxHint
from colorzoo.guidance.recipe import PointHint as PointHint
from colorzoo.guidance.recipe import Recipe as Recipe
from colorzoo.guidance.recipe import RegionColor as RegionColor
from colorzoo.guidance.recipe import Stroke as Stroke

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
