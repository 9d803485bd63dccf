"""Callbacks that make a training reproducible, or stop a training that would silently go wrong."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.loggers import run_folder, write_text


@dataclass
class _PendingLoss:
    """A loss that is being copied to the CPU.

    Attributes:
        step: The optimizer step.
        names: Names of the images of the batch.
        loss: The loss on the CPU, valid after ``copied``.
        copied: CUDA event after the copy; None on a CPU.
    """

    step: int
    names: list[str]
    loss: Tensor
    copied: Any


class NonFiniteGuard(Callback):
    """Stop a training whose loss is NaN or infinite, and save the image names of the batch.

    On a CPU the training stops before the loss changes the weights. On a GPU the losses are copied
    asynchronously and checked a few steps later. All losses are checked before a checkpoint is saved, so that
    no checkpoint contains weights after a non-finite loss. ``nonfinite_rank<N>.json`` in the run folder
    contains step, loss and names.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Store the run folder; finding it is a collective call."""
        self._folder = run_folder(trainer)
        self._names: list[str] = []
        self._pending: deque[_PendingLoss] = deque()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the image names of the batch."""
        names = batch.get("name", []) if isinstance(batch, dict) else []
        self._names = [str(name) for name in names]

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Copy the loss to the CPU, and check the losses whose copies are complete.

        Raises:
            ColorzooError: A loss is not finite.
        """
        event: Any = None
        host = loss.detach()
        if loss.is_cuda:
            host = torch.empty_like(host, device="cpu", pin_memory=True).copy_(host, non_blocking=True)
            event = cast(Any, torch.cuda.Event)()
            event.record()
        self._pending.append(_PendingLoss(trainer.global_step, self._names, host, event))
        while self._pending and (self._pending[0].copied is None or self._pending[0].copied.query()):
            self._check(trainer, self._pending.popleft())

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check all losses before the weights are saved.

        Raises:
            ColorzooError: A loss is not finite.
        """
        while self._pending:
            pending = self._pending.popleft()
            if pending.copied is not None:
                pending.copied.synchronize()
            self._check(trainer, pending)

    def _check(self, trainer: Trainer, pending: _PendingLoss) -> None:
        if bool(torch.isfinite(pending.loss).all()):
            return
        self._pending.clear()  # so that a checkpoint of earlier steps can be saved
        path = f"{self._folder}/nonfinite_rank{trainer.global_rank}.json"
        loss = pending.loss.tolist()
        report = {"step": pending.step, "epoch": trainer.current_epoch, "loss": str(loss)}
        write_text(path, json.dumps({**report, "names": pending.names}, indent=1))
        raise ColorzooError(
            f"the loss is {loss} at step {pending.step} ({trainer.precision}). {path!r} contains the names "
            "of the images. Lower the learning rate, or use --trainer.precision 32-true."
        )


class ResumeGuard(Callback):
    """Prevent a run with weight averaging from being resumed without the averaging callback.

    Lightning would silently combine the averaged weights with the optimizer state of the current weights.
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the checkpoint with the callbacks.

        Raises:
            WeightsError: The checkpoint contains averages and the run has no averaging callback.
        """
        callbacks = cast(list[Callback], cast(Any, trainer).callbacks)
        averaging = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        if trainer.state.fn == TrainerFn.FITTING and "current_model_state" in checkpoint and not averaging:
            raise WeightsError(
                "the checkpoint contains averaged weights, but the run has no averaging callback. Add "
                "EMAWeightAveraging to trainer.callbacks, or start a new training with --init_from."
            )


_STRIDE = 1_000_003  # a prime, so that the seeds of neighboring runs, steps and processes differ


class StepSeed(Callback):
    """Seed torch before every training batch from run seed, batch number and process.

    Lightning's checkpoints do not contain the state of the random number generators, so dropout would differ
    after a resume. Seeds that depend only on the position in the training need no state.

    Args:
        seed: Base seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of all devices."""
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed((self.seed * _STRIDE + step) * _STRIDE + trainer.global_rank)
