"""Callbacks: what every training shows, records and refuses."""

from colorzoo.callbacks.guards import NonFiniteGuard, ResumeGuard
from colorzoo.callbacks.picture_grid import PictureGrid
from colorzoo.callbacks.run_record import RunRecord
from colorzoo.callbacks.signal_checkpoint import SignalCheckpoint
from colorzoo.callbacks.step_seed import StepSeed

__all__ = [
    "NonFiniteGuard",
    "PictureGrid",
    "ResumeGuard",
    "RunRecord",
    "SignalCheckpoint",
    "StepSeed",
]
