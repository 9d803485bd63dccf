"""Guidance: what a user may give a model, its simulators, and the recipe file."""

from colorzoo.guidance.container import Guidance
from colorzoo.guidance.kinds import ClassMap, Exemplar, GlobalStatistics, Points, Regions, Scribbles
from colorzoo.guidance.recipe import PointHint, Recipe, RegionColor, Stroke
from colorzoo.guidance.simulate import PointSimulation, paint_patches, simulate_points, uniform_points

__all__ = [
    "ClassMap",
    "Exemplar",
    "GlobalStatistics",
    "Guidance",
    "PointHint",
    "PointSimulation",
    "Points",
    "Recipe",
    "RegionColor",
    "Regions",
    "Scribbles",
    "Stroke",
    "paint_patches",
    "simulate_points",
    "uniform_points",
]
