"""The base LightningModules."""

from colorzoo.tasks.base import ColorizationModule, Prediction, SingleOptimizerModule
from colorzoo.tasks.gan import GANColorizationModule

__all__ = ["ColorizationModule", "GANColorizationModule", "Prediction", "SingleOptimizerModule"]
