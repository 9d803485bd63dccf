"""colorzoo: a zoo of image colorization papers on PyTorch Lightning.

>>> import colorzoo
>>> colorzoo.colorize("old.jpg").save("old.color.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorzoo.api import FileResult, colorize, colorize_file, colorize_files
    from colorzoo.card import ModelCard
    from colorzoo.color import lab_to_rgb, rgb_to_lab
    from colorzoo.factory import create_model
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
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.prediction import AbPrediction, Prediction, RgbPrediction
    from colorzoo.registry import list_models, model_card
    from colorzoo.training.module import ColorizationModule

__version__ = "0.1.0"

# Name -> module. Resolved at first use, so that `import colorzoo` does not import torch.
_PUBLIC = {
    "AbPrediction": "prediction",
    "Boxes": "guidance",
    "ClassMap": "guidance",
    "ColorizationModule": "training.module",
    "Colorizer": "inference.colorizer",
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
    "colorize": "api",
    "colorize_file": "api",
    "colorize_files": "api",
    "create_model": "factory",
    "lab_to_rgb": "color",
    "list_models": "registry",
    "model_card": "registry",
    "rgb_to_lab": "color",
}

__all__ = [
    "AbPrediction",
    "Boxes",
    "ClassMap",
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
    "__version__",
    "colorize",
    "colorize_file",
    "colorize_files",
    "create_model",
    "lab_to_rgb",
    "list_models",
    "model_card",
    "rgb_to_lab",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'colorzoo' has no attribute {name!r}")
    return getattr(importlib.import_module(f"colorzoo.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
