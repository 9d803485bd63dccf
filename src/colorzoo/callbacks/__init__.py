"""Callbacks: what every training shows, records and refuses."""

from colorzoo.callbacks.guards import NonFiniteGuard, ResumeGuard
from colorzoo.callbacks.signal_checkpoint import SignalCheckpoint
from colorzoo.callbacks.step_seed import StepSeed

__all__ = ["NonFiniteGuard", "ResumeGuard", "SignalCheckpoint", "StepSeed"]
