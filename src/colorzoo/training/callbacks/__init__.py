"""Callbacks of every training: pictures, records, checkpoints and checks."""

from colorzoo.training.callbacks.averaging import GrowingWeightAveraging
from colorzoo.training.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from colorzoo.training.callbacks.console import ConsoleProgress
from colorzoo.training.callbacks.data_place import DataPlace
from colorzoo.training.callbacks.guards import NonFiniteGuard, ResumeGuard
from colorzoo.training.callbacks.picture_grid import PictureGrid
from colorzoo.training.callbacks.run_config import RunConfig
from colorzoo.training.callbacks.run_lock import RunLock
from colorzoo.training.callbacks.run_record import RunRecord
from colorzoo.training.callbacks.signal_checkpoint import SignalCheckpoint
from colorzoo.training.callbacks.step_seed import StepSeed

__all__ = [
    "BestCheckpoint",
    "ConsoleProgress",
    "DataPlace",
    "GrowingWeightAveraging",
    "LastCheckpoint",
    "NonFiniteGuard",
    "PictureGrid",
    "ResumeGuard",
    "RunConfig",
    "RunLock",
    "RunRecord",
    "SignalCheckpoint",
    "StepSeed",
]
