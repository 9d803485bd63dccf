"""Public names of `colorzoo`, which the package imports when they are used."""

from colorzoo.api import colorize, colorize_file, colorize_files
from colorzoo.batch import FileResult
from colorzoo.card import ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.engines import export_model
from colorzoo.factory import create_backbone, create_coloring_model
from colorzoo.feature_extraction import features
from colorzoo.guidance import (
    Boxes,
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Recipe,
    Regions,
    Scribbles,
)
from colorzoo.inference import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction, Distribution, Prediction, RgbPrediction
from colorzoo.registry import list_models, model_card
from colorzoo.training import ColorizationModule, SingleOptimizerModule
from colorzoo.training.create import create_model

__all__ = [
    "AbPrediction",
    "Boxes",
    "ClassMap",
    "ColoringModel",
    "ColorizationModule",
    "Colorizer",
    "Distribution",
    "Exemplar",
    "FileResult",
    "GlobalStatistics",
    "Guidance",
    "ModelCard",
    "Points",
    "Prediction",
    "Recipe",
    "Regions",
    "RgbPrediction",
    "Scribbles",
    "SingleOptimizerModule",
    "colorize",
    "colorize_file",
    "colorize_files",
    "create_backbone",
    "create_coloring_model",
    "create_model",
    "export_model",
    "features",
    "lab_to_rgb",
    "list_models",
    "model_card",
    "rgb_to_lab",
]
