from .border import check_inside as check_inside
from .border import crop_recipe as crop_recipe
from .border import find_border as find_border
from .border import select_part as select_part
from .choice import choose_model as choose_model
from .choice import requested_model as requested_model
from .colorizer import Colorizer as Colorizer
from .edit import Edit as Edit
from .edit import divided_regions as divided_regions
from .edit import extent_of as extent_of
from .edit import paths_from as paths_from
from .edit import proposed_regions as proposed_regions
from .edit import read_recipe as read_recipe
from .edit import similarity_to as similarity_to
from .full_size import FullLightness as FullLightness
from .full_size import compose_image as compose_image
from .full_size import shrink_lightness as shrink_lightness
from .full_size import working_size as working_size
from .layers.points import predict_regions as predict_regions
from .layers.sheets import Sheets as Sheets
from .layers.strength import Strength as Strength
from .network import choose_device as choose_device
from .palette import Suggestion as Suggestion
from .palette import next_point as next_point
from .palette import suggest_colors as suggest_colors
from .pipeline import colorize_edit as colorize_edit
from .references import ReadReference as ReadReference
from .references import as_reference as as_reference
from .references import describe_statistics as describe_statistics
from .references import main_colors as main_colors
from .references import recipe_reference_files as recipe_reference_files
from .references import require_color as require_color
from .region_memory import RegionMemory as RegionMemory
from .region_memory import with_key_colors as with_key_colors
from .region_memory import with_region_colors as with_region_colors
from .result import ColorizedImage as ColorizedImage
from .selection import find_parts as find_parts
from .selection import outline_mask as outline_mask
from .selection import resize_mask as resize_mask
from .selection import segmenter_features as segmenter_features
from .selection import select_at as select_at
from .selection import select_outlined as select_outlined
from .style_transfer import read_labels as read_labels
from .style_transfer import stylize as stylize

__all__ = [
    "ColorizedImage",
    "Colorizer",
    "Edit",
    "FullLightness",
    "ReadReference",
    "RegionMemory",
    "Sheets",
    "Strength",
    "Suggestion",
    "as_reference",
    "check_inside",
    "choose_device",
    "choose_model",
    "colorize_edit",
    "compose_image",
    "crop_recipe",
    "describe_statistics",
    "divided_regions",
    "extent_of",
    "find_border",
    "find_parts",
    "main_colors",
    "next_point",
    "outline_mask",
    "paths_from",
    "predict_regions",
    "proposed_regions",
    "read_labels",
    "read_recipe",
    "recipe_reference_files",
    "requested_model",
    "require_color",
    "resize_mask",
    "segmenter_features",
    "select_at",
    "select_outlined",
    "select_part",
    "shrink_lightness",
    "similarity_to",
    "stylize",
    "suggest_colors",
    "with_key_colors",
    "with_region_colors",
    "working_size",
]
