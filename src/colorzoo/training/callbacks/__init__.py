"""Default callbacks of ``colorzoo fit``: checkpoints, checks, records and example grids."""

from colorzoo.training.callbacks.averaging import GrowingWeightAveraging, WeightEMA
from colorzoo.training.callbacks.checkpoints import LastCheckpoint, SignalCheckpoint
from colorzoo.training.callbacks.guards import FinalValidation, NonFiniteGuard, ResumeGuard, StepSeed
from colorzoo.training.callbacks.image_grid import ImageGrid
from colorzoo.training.callbacks.run_files import RunLock, RunRecord

__all__ = [
    "FinalValidation",
    "GrowingWeightAveraging",
    "ImageGrid",
    "LastCheckpoint",
    "NonFiniteGuard",
    "ResumeGuard",
    "RunLock",
    "RunRecord",
    "SignalCheckpoint",
    "StepSeed",
    "WeightEMA",
]
