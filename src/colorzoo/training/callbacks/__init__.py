"""Callbacks of every training: example grids, records, checkpoints and checks."""

from colorzoo.training.callbacks.averaging import GrowingWeightAveraging
from colorzoo.training.callbacks.checkpoints import LastCheckpoint, SignalCheckpoint
from colorzoo.training.callbacks.guards import DataPlace, IntervalGuard, NonFiniteGuard, ResumeGuard, StepSeed
from colorzoo.training.callbacks.image_grid import ImageGrid
from colorzoo.training.callbacks.run_files import RunLock, RunRecord

__all__ = [
    "DataPlace",
    "GrowingWeightAveraging",
    "ImageGrid",
    "IntervalGuard",
    "LastCheckpoint",
    "NonFiniteGuard",
    "ResumeGuard",
    "RunLock",
    "RunRecord",
    "SignalCheckpoint",
    "StepSeed",
]
