"""The base LightningModules."""

from colorzoo.settings import nest_arguments, settings_of
from colorzoo.tasks.base import ColorizationModule
from colorzoo.tasks.gan import GANColorizationModule
from colorzoo.tasks.prediction import AbPrediction, Prediction, RgbPrediction
from colorzoo.tasks.single import SingleOptimizerModule
from colorzoo.tasks.stages import Stage, Start
from colorzoo.tasks.training_free import TrainingFreeModule

__all__ = [
    "AbPrediction",
    "ColorizationModule",
    "GANColorizationModule",
    "Prediction",
    "RgbPrediction",
    "SingleOptimizerModule",
    "Stage",
    "Start",
    "TrainingFreeModule",
    "nest_arguments",
    "settings_of",
]
