"""The base LightningModules."""

from colorzoo.tasks.base import ColorizationModule, Prediction, SingleOptimizerModule

__all__ = ["ColorizationModule", "Prediction", "SingleOptimizerModule"]
