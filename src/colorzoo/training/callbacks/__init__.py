"""Callbacks of every training: example grids, records, checkpoints and checks."""

from colorzoo.training.callbacks.averaging import GrowingWeightAveraging
from colorzoo.training.callbacks.checkpoints import LastCheckpoint, SignalCheckpoint
from colorzoo.training.callbacks.guards import DataPlace, IntervalGuard, NonFiniteGuard, ResumeGuard, StepSeed
from colorzoo.training.callbacks.picture_grid import PictureGrid
from colorzoo.training.callbacks.run_files import RunLock, RunRecord

__all__ = [
    "DataPlace",
    "GrowingWeightAveraging",
    "IntervalGuard",
    "LastCheckpoint",
    "NonFiniteGuard",
    "PictureGrid",
    "ResumeGuard",
    "RunLock",
    "RunRecord",
    "SignalCheckpoint",
    "StepSeed",
]
