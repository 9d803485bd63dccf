"""Training: the base LightningModules, stages, schedules, validation and callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from colorzoo.training.gan import GANColorizationModule as GANColorizationModule
    from colorzoo.training.module import ColorizationModule as ColorizationModule
    from colorzoo.training.module import SingleOptimizerModule as SingleOptimizerModule
    from colorzoo.training.module import TrainingFreeModule as TrainingFreeModule
    from colorzoo.training.muon import Muon as Muon
    from colorzoo.training.optimization import AdversarialOptimization as AdversarialOptimization
    from colorzoo.training.optimization import Optimization as Optimization
    from colorzoo.training.schedules import Cosine as Cosine
    from colorzoo.training.schedules import HoldThenLinear as HoldThenLinear
    from colorzoo.training.schedules import Linear as Linear
    from colorzoo.training.schedules import PiecewiseConstant as PiecewiseConstant
    from colorzoo.training.schedules import RunSchedule as RunSchedule
    from colorzoo.training.stages import Stage as Stage
    from colorzoo.training.stages import Start as Start

# Name -> module. Resolved at first use, so that light modules of the package import nothing heavy.
_PUBLIC = {
    "AdversarialOptimization": "optimization",
    "ColorizationModule": "module",
    "Cosine": "schedules",
    "GANColorizationModule": "gan",
    "HoldThenLinear": "schedules",
    "Linear": "schedules",
    "Muon": "muon",
    "Optimization": "optimization",
    "PiecewiseConstant": "schedules",
    "RunSchedule": "schedules",
    "SingleOptimizerModule": "module",
    "Stage": "stages",
    "Start": "stages",
    "TrainingFreeModule": "module",
}

__all__ = [
    "AdversarialOptimization",
    "ColorizationModule",
    "Cosine",
    "GANColorizationModule",
    "HoldThenLinear",
    "Linear",
    "Muon",
    "Optimization",
    "PiecewiseConstant",
    "RunSchedule",
    "SingleOptimizerModule",
    "Stage",
    "Start",
    "TrainingFreeModule",
]

__getattr__ = lazy_names("colorzoo.training", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
