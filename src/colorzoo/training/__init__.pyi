from .exemplar import SelfReferenced as SelfReferenced
from .exemplar import references_of as references_of
from .gan import DiscriminatorFirst as DiscriminatorFirst
from .gan import GANColorizationModule as GANColorizationModule
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
