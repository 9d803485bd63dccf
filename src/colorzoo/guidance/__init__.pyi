from .areas import Area as Area
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
from .kinds import GuidanceKind as GuidanceKind
from .kinds import decode_text as decode_text
from .kinds import register_kind as register_kind
from .objects import BoxHint as BoxHint
from .objects import ClassHints as ClassHints
from .objects import ExemplarHint as ExemplarHint
from .objects import PointHint as PointHint
from .objects import ReferenceFile as ReferenceFile
from .objects import RegionColor as RegionColor
from .objects import StatisticsHint as StatisticsHint
from .objects import Stroke as Stroke
from .recipe import DrawingSettings as DrawingSettings
from .recipe import Recipe as Recipe
from .recipe import recipe_schema as recipe_schema

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
