from .api import colorize as colorize
from .api import colorize_file as colorize_file
from .api import colorize_files as colorize_files
from .batch import FileResult as FileResult
from .card import ModelCard as ModelCard
from .color import lab_to_rgb as lab_to_rgb
from .color import rgb_to_lab as rgb_to_lab
from .engines import export_model as export_model
from .factory import create_backbone as create_backbone
from .factory import create_coloring_model as create_coloring_model
from .feature_extraction import features as features
from .guidance import Boxes as Boxes
from .guidance import ClassMap as ClassMap
from .guidance import Exemplar as Exemplar
from .guidance import GlobalStatistics as GlobalStatistics
from .guidance import Guidance as Guidance
from .guidance import Points as Points
from .guidance import Recipe as Recipe
from .guidance import Regions as Regions
from .guidance import Scribbles as Scribbles
from .inference import Colorizer as Colorizer
from .model import ColoringModel as ColoringModel
from .prediction import AbPrediction as AbPrediction
from .prediction import Distribution as Distribution
from .prediction import Prediction as Prediction
from .prediction import RgbPrediction as RgbPrediction
from .registry import list_models as list_models
from .registry import model_card as model_card
from .training import ColorizationModule as ColorizationModule
from .training import SingleOptimizerModule as SingleOptimizerModule
from .training.create import create_model as create_model

__version__: str

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
    "__version__",
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
