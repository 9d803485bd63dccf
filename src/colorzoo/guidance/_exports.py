"""Public names of `colorzoo.guidance`, which the package imports when they are used."""

from colorzoo.guidance.areas import Area
from colorzoo.guidance.color_statistics import statistics_of
from colorzoo.guidance.edits import ColorReplacement, Crop, PaintStroke
from colorzoo.guidance.hints import (
    Boxes,
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Regions,
    Scribbles,
)
from colorzoo.guidance.kinds import GuidanceKind, decode_text, register_kind
from colorzoo.guidance.objects import (
    BoxHint,
    ClassHints,
    ExemplarHint,
    PointHint,
    ReferenceFile,
    RegionColor,
    StatisticsHint,
    Stroke,
)
from colorzoo.guidance.recipe import DrawingSettings, Recipe, recipe_schema

__all__ = [
    "Area",
    "BoxHint",
    "Boxes",
    "ClassHints",
    "ClassMap",
    "ColorReplacement",
    "Crop",
    "DrawingSettings",
    "Exemplar",
    "ExemplarHint",
    "GlobalStatistics",
    "Guidance",
    "GuidanceKind",
    "PaintStroke",
    "PointHint",
    "Points",
    "Recipe",
    "ReferenceFile",
    "RegionColor",
    "Regions",
    "Scribbles",
    "StatisticsHint",
    "Stroke",
    "decode_text",
    "recipe_schema",
    "register_kind",
    "statistics_of",
]
