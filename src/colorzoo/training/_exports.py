"""Public names of `colorzoo.training`, which the package imports when they are used."""

from colorzoo.training.exemplar import SelfReferenced as SelfReferenced
from colorzoo.training.exemplar import references_of as references_of
from colorzoo.training.gan import DiscriminatorFirst as DiscriminatorFirst
from colorzoo.training.gan import GANColorizationModule as GANColorizationModule
from colorzoo.training.module import ColorizationModule as ColorizationModule
from colorzoo.training.module import SingleOptimizerModule as SingleOptimizerModule
from colorzoo.training.module import TrainingFreeModule as TrainingFreeModule
from colorzoo.training.optimization import AdversarialOptimization as AdversarialOptimization
from colorzoo.training.optimization import Optimization as Optimization
from colorzoo.training.schedules import Cosine as Cosine
from colorzoo.training.schedules import HoldThenLinear as HoldThenLinear
from colorzoo.training.schedules import Linear as Linear
from colorzoo.training.schedules import PiecewiseConstant as PiecewiseConstant
from colorzoo.training.schedules import RunSchedule as RunSchedule
from colorzoo.training.stages import Stage as Stage
