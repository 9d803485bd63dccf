from .command import run_command as run_command
from .gan import GANColorizationModule as GANColorizationModule
from .initial_weights import load_initial_weights as load_initial_weights
from .module import ColorizationModule as ColorizationModule
from .module import SingleOptimizerModule as SingleOptimizerModule
from .module import TrainingFreeModule as TrainingFreeModule
from .optimization import AdversarialOptimization as AdversarialOptimization
from .optimization import Optimization as Optimization
from .schedules import Cosine as Cosine
from .schedules import HoldThenLinear as HoldThenLinear
from .schedules import Linear as Linear
from .schedules import PiecewiseConstant as PiecewiseConstant
from .schedules import RunSchedule as RunSchedule
from .stages import Stage as Stage

__all__ = [
    "AdversarialOptimization",
    "ColorizationModule",
    "Cosine",
    "GANColorizationModule",
    "HoldThenLinear",
    "Linear",
    "Optimization",
    "PiecewiseConstant",
    "RunSchedule",
    "SingleOptimizerModule",
    "Stage",
    "TrainingFreeModule",
    "load_initial_weights",
    "run_command",
]
