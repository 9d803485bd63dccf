from .areas import Area as Area
from .areas import Mask as Mask
from .areas import parse_area as parse_area
from .border import BorderSetting as BorderSetting
from .border import Rectangle as Rectangle
from .border import parse_border as parse_border
from .color_statistics import ab_histogram as ab_histogram
from .color_statistics import mean_saturation as mean_saturation
from .color_statistics import statistics_of as statistics_of
from .edits import ColorReplacement as ColorReplacement
from .edits import Crop as Crop
from .edits import PaintStroke as PaintStroke
from .edits import parse_crop_text as parse_crop_text
from .edits import parse_finish_text as parse_finish_text
from .fields import DEFAULT_REACH as DEFAULT_REACH
from .fields import Fields as Fields
from .fields import Reach as Reach
from .fields import Vertices as Vertices
from .fields import format_hex as format_hex
from .fields import read_reach as read_reach
from .hints import Boxes as Boxes
from .hints import ClassMap as ClassMap
from .hints import Exemplar as Exemplar
from .hints import GlobalStatistics as GlobalStatistics
from .hints import Guidance as Guidance
from .hints import Points as Points
from .hints import Regions as Regions
from .hints import Scribbles as Scribbles
from .hints import TensorFields as TensorFields
from .kinds import GuidanceKind as GuidanceKind
from .kinds import decode_text as decode_text
from .kinds import guidance_kind as guidance_kind
from .kinds import guidance_kinds as guidance_kinds
from .kinds import register_kind as register_kind
from .objects import BoxHint as BoxHint
from .objects import ClassHints as ClassHints
from .objects import Division as Division
from .objects import ExemplarHint as ExemplarHint
from .objects import PointHint as PointHint
from .objects import ReferenceFile as ReferenceFile
from .objects import RegionColor as RegionColor
from .objects import StatisticsHint as StatisticsHint
from .objects import Stroke as Stroke
from .recipe import MAX_POINTS as MAX_POINTS
from .recipe import DrawingSettings as DrawingSettings
from .recipe import Recipe as Recipe

__all__ = [
    "DEFAULT_REACH",
    "MAX_POINTS",
    "Area",
    "BorderSetting",
    "BoxHint",
    "Boxes",
    "ClassHints",
    "ClassMap",
    "ColorReplacement",
    "Crop",
    "Division",
    "DrawingSettings",
    "Exemplar",
    "ExemplarHint",
    "Fields",
    "GlobalStatistics",
    "Guidance",
    "GuidanceKind",
    "Mask",
    "PaintStroke",
    "PointHint",
    "Points",
    "Reach",
    "Recipe",
    "Rectangle",
    "ReferenceFile",
    "RegionColor",
    "Regions",
    "Scribbles",
    "StatisticsHint",
    "Stroke",
    "TensorFields",
    "Vertices",
    "ab_histogram",
    "decode_text",
    "format_hex",
    "guidance_kind",
    "guidance_kinds",
    "mean_saturation",
    "parse_area",
    "parse_border",
    "parse_crop_text",
    "parse_finish_text",
    "read_reach",
    "register_kind",
    "statistics_of",
]
