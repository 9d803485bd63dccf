"""Guidance: user hints as tensors, and the recipe file that stores them."""

from colorzoo.guidance.areas import Area, Mask
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation, statistics_of
from colorzoo.guidance.container import Guidance
from colorzoo.guidance.edits import ColorReplacement, Crop, PaintStroke
from colorzoo.guidance.hints import Boxes, ClassMap, Exemplar, GlobalStatistics, Points, Regions, Scribbles
from colorzoo.guidance.recipe import BoxHint, PointHint, Recipe, RegionColor, Stroke

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
