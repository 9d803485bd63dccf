"""The base LightningModules."""

from colorzoo.tasks.base import ColorizationModule, Prediction, SingleOptimizerModule
from colorzoo.tasks.gan import GANColorizationModule
from colorzoo.tasks.training_free import TrainingFreeModule

__all__ = [
    "ColorizationModule",
    "GANColorizationModule",
    "Prediction",
    "SingleOptimizerModule",
    "TrainingFreeModule",
]
