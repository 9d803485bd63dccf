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
