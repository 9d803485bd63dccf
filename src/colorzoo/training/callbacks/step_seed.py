"""Randomness that a resumed run repeats exactly, without storing any state."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

_STRIDE = 1_000_003  # a prime, so that the seeds of neighboring runs, steps and processes differ


class StepSeed(Callback):
    """Seed torch before every training batch from run seed, batch number and process.

    Lightning's checkpoints do not hold the state of the random generators, so dropout would differ after a
    resume. Seeds that follow from the position in the training need no state, also in several processes.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed all devices."""
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed((self.seed * _STRIDE + step) * _STRIDE + trainer.global_rank)
