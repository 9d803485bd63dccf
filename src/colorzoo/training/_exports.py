"""Public names of `colorzoo.training`, which the package imports when they are used."""

from colorzoo.training.exemplar import SelfReferenced, references_of
from colorzoo.training.gan import DiscriminatorFirst, GANColorizationModule
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule, TrainingFreeModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.training.schedules import Cosine, HoldThenLinear, Linear, PiecewiseConstant, RunSchedule
from colorzoo.training.stages import Stage

__all__ = [
    "AdversarialOptimization",
    "ColorizationModule",
    "Cosine",
    "DiscriminatorFirst",
    "GANColorizationModule",
    "HoldThenLinear",
    "Linear",
    "Optimization",
    "PiecewiseConstant",
    "RunSchedule",
    "SelfReferenced",
    "SingleOptimizerModule",
    "Stage",
    "TrainingFreeModule",
    "references_of",
]
