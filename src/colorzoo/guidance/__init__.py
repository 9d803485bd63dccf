"""Guidance: what a user may give a model, its simulators, and the recipe file."""

from colorzoo.guidance.areas import Area, Mask
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation, statistics_of
from colorzoo.guidance.container import Guidance
from colorzoo.guidance.kinds import Boxes, ClassMap, Exemplar, GlobalStatistics, Points, Regions, Scribbles
from colorzoo.guidance.recipe import BoxHint, PointHint, Recipe, RegionColor, Stroke
from colorzoo.guidance.simulate import PointSimulation, paint_patches, simulate_points, uniform_points

__all__ = [
    "Area",
    "BoxHint",
    "Boxes",
    "ClassMap",
    "Exemplar",
    "GlobalStatistics",
    "Guidance",
    "Mask",
    "PointHint",
    "PointSimulation",
    "Points",
    "Recipe",
    "RegionColor",
    "Regions",
    "Scribbles",
    "Stroke",
    "ab_histogram",
    "mean_saturation",
    "paint_patches",
    "simulate_points",
    "statistics_of",
    "uniform_points",
]
