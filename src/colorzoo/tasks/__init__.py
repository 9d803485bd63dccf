"""The base LightningModules, and what models are without Lightning, which takes seconds to import.

Names are resolved at first use: a process that only colors never imports Lightning.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorzoo.settings import nest_arguments, settings_of
    from colorzoo.tasks.base import ColorizationModule
    from colorzoo.tasks.coloring import ColoringModel, InferenceModel
    from colorzoo.tasks.gan import GANColorizationModule
    from colorzoo.tasks.prediction import AbPrediction, Prediction, RgbPrediction
    from colorzoo.tasks.single import SingleOptimizerModule
    from colorzoo.tasks.stages import Stage, Start
    from colorzoo.tasks.training_free import TrainingFreeModule

_MODULES = {
    "AbPrediction": "tasks.prediction",
    "ColoringModel": "tasks.coloring",
    "ColorizationModule": "tasks.base",
    "GANColorizationModule": "tasks.gan",
    "InferenceModel": "tasks.coloring",
    "Prediction": "tasks.prediction",
    "RgbPrediction": "tasks.prediction",
    "SingleOptimizerModule": "tasks.single",
    "Stage": "tasks.stages",
    "Start": "tasks.stages",
    "TrainingFreeModule": "tasks.training_free",
    "nest_arguments": "settings",
    "settings_of": "settings",
}

__all__ = [
    "AbPrediction",
    "ColoringModel",
    "ColorizationModule",
    "GANColorizationModule",
    "InferenceModel",
    "Prediction",
    "RgbPrediction",
    "SingleOptimizerModule",
    "Stage",
    "Start",
    "TrainingFreeModule",
    "nest_arguments",
    "settings_of",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'colorzoo.tasks' has no attribute {name!r}")
    return getattr(importlib.import_module(f"colorzoo.{_MODULES[name]}"), name)
