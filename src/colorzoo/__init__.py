"""colorzoo: a zoo of image colorization papers on PyTorch Lightning.

>>> import colorzoo
>>> colorzoo.colorize("old.jpg").save("old.color.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from colorzoo.api import FileResult as FileResult
    from colorzoo.api import colorize as colorize
    from colorzoo.api import colorize_file as colorize_file
    from colorzoo.api import colorize_files as colorize_files
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

__version__ = "0.2.0"

# Name -> module. Resolved at first use, so that `import colorzoo` does not import torch.
_PUBLIC = {
    "AbPrediction": "prediction",
    "Boxes": "guidance",
    "ClassMap": "guidance",
    "ColorizationModule": "training",
    "ColoringModel": "model",
    "Colorizer": "inference",
    "Exemplar": "guidance",
    "FileResult": "api",
    "GlobalStatistics": "guidance",
    "Guidance": "guidance",
    "ModelCard": "card",
    "Points": "guidance",
    "Prediction": "prediction",
    "Recipe": "guidance",
    "Regions": "guidance",
    "RgbPrediction": "prediction",
    "Scribbles": "guidance",
    "SingleOptimizerModule": "training",
    "colorize": "api",
    "colorize_file": "api",
    "colorize_files": "api",
    "create_model": "training.create",
    "features": "model",
    "lab_to_rgb": "color",
    "list_models": "registry",
    "model_card": "registry",
    "rgb_to_lab": "color",
}

__all__ = [*_PUBLIC, "__version__"]


__getattr__ = lazy_names("colorzoo", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
