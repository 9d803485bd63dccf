"""Public names of `colorzoo.inference`, which the package imports when they are used."""

from colorzoo.inference.border import check_inside, crop_recipe, find_border, select_part
from colorzoo.inference.choice import choose_model, requested_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import FullLightness, compose_image, shrink_lightness, working_size
from colorzoo.inference.network import choose_device
from colorzoo.inference.overlays import overlays_of
from colorzoo.inference.palette import Suggestion, next_point, suggest_colors
from colorzoo.inference.pipeline import (
    colorize_task,
    divided_regions,
    extent_of,
    paths_from,
    predict_regions,
    proposed_regions,
    similarity_to,
)
from colorzoo.inference.references import (
    ReadReference,
    as_reference,
    describe_statistics,
    main_colors,
    recipe_reference_files,
    require_color,
)
from colorzoo.inference.region_memory import RegionMemory, with_key_colors, with_region_colors
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.selection import (
    find_parts,
    outline_mask,
    resize_mask,
    segmenter_features,
    select_at,
    select_outlined,
)
from colorzoo.inference.style_transfer import read_labels, stylize
from colorzoo.inference.task import ColorizeTask, read_recipe

__all__ = [
    "ColorizeTask",
    "ColorizedImage",
    "Colorizer",
    "FullLightness",
    "ReadReference",
    "RegionMemory",
    "Suggestion",
    "as_reference",
    "check_inside",
    "choose_device",
    "choose_model",
    "colorize_task",
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
    "overlays_of",
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
