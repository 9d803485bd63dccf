from colorzoo.api import colorize as colorize
from colorzoo.api import colorize_file as colorize_file
from colorzoo.api import colorize_files as colorize_files
from colorzoo.batch.task import FileResult as FileResult
from colorzoo.card import ModelCard as ModelCard
from colorzoo.color import lab_to_rgb as lab_to_rgb
from colorzoo.color import rgb_to_lab as rgb_to_lab
from colorzoo.guidance import Boxes as Boxes
from colorzoo.guidance import ClassMap as ClassMap
from colorzoo.guidance import Exemplar as Exemplar
from colorzoo.guidance import GlobalStatistics as GlobalStatistics
from colorzoo.guidance import Guidance as Guidance
from colorzoo.guidance import Points as Points
from colorzoo.guidance import Recipe as Recipe
from colorzoo.guidance import Regions as Regions
from colorzoo.guidance import Scribbles as Scribbles
from colorzoo.inference import Colorizer as Colorizer
from colorzoo.model import ColoringModel as ColoringModel
from colorzoo.model import features as features
from colorzoo.prediction import AbPrediction as AbPrediction
from colorzoo.prediction import Prediction as Prediction
from colorzoo.prediction import RgbPrediction as RgbPrediction
from colorzoo.registry import list_models as list_models
from colorzoo.registry import model_card as model_card
from colorzoo.training import ColorizationModule as ColorizationModule
from colorzoo.training import SingleOptimizerModule as SingleOptimizerModule
from colorzoo.training.create import create_model as create_model

__version__: str

__all__ = [
    "AbPrediction",
    "Boxes",
    "ClassMap",
    "ColoringModel",
    "ColorizationModule",
    "Colorizer",
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
    "__version__",
    "colorize",
    "colorize_file",
    "colorize_files",
    "create_model",
    "features",
    "lab_to_rgb",
    "list_models",
    "model_card",
    "rgb_to_lab",
]
