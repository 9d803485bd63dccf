"""Callbacks that make a training repeatable, or stop one that would silently go wrong."""

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

from colorzoo.data import ImageDataModule
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.loggers import run_folder, write_text


@dataclass
class _Step:
    """A step whose loss is being copied to the host.

    Attributes:
        number: The optimizer step.
        names: Names of the images.
        loss: The loss, on the host when `copied` is over.
        copied: Event after the copy; None if the loss is there.
    """

    number: int
    names: list[str]
    loss: Tensor
    copied: Any


class NonFiniteGuard(Callback):
    """Stop a training whose loss is NaN or infinite, and save the names of the batch.

    On a CPU it stops before the loss reaches the weights. A GPU is not waited for: its losses are looked at
    as they arrive, a few steps later, and all of them before a checkpoint is saved, so that no checkpoint
    holds such weights. The file is ``nonfinite_rank<N>.json`` in the run's folder, with step, loss and names.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Store the folder; a later call in one process alone would wait for the others."""
        self._folder = run_folder(trainer)
        self._names: list[str] = []
        self._pending: deque[_Step] = deque()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the names of the batch."""
        names = batch.get("name", []) if isinstance(batch, dict) else []
        self._names = [str(name) for name in names]

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Send the loss to the host, and check those that have arrived.

        Raises:
            ColorzooError: One is not finite.
        """
        event: Any = None
        host = loss.detach()
        if loss.is_cuda:
            host = torch.empty_like(host, device="cpu", pin_memory=True).copy_(host, non_blocking=True)
            event = cast(Any, torch.cuda.Event)()
            event.record()
        self._pending.append(_Step(trainer.global_step, self._names, host, event))
        while self._pending and (self._pending[0].copied is None or self._pending[0].copied.query()):
            self._check(trainer, self._pending.popleft())

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check all losses before the weights are saved.

        Raises:
            ColorzooError: One is not finite.
        """
        while self._pending:
            step = self._pending.popleft()
            if step.copied is not None:
                step.copied.synchronize()
            self._check(trainer, step)

    def _check(self, trainer: Trainer, step: _Step) -> None:
        if bool(torch.isfinite(step.loss).all()):
            return
        self._pending.clear()  # so that saving what was trained before is not refused
        path = f"{self._folder}/nonfinite_rank{trainer.global_rank}.json"
        loss = step.loss.tolist()
        report = {"step": step.number, "epoch": trainer.current_epoch, "loss": str(loss)}
        write_text(path, json.dumps({**report, "names": step.names}, indent=1))
        raise ColorzooError(
            f"the loss is {loss} at step {step.number} ({trainer.precision}); {path!r} "
            "names the images of the batch; lower the learning rate, or use --trainer.precision 32-true."
        )


class ResumeGuard(Callback):
    """Refuse to resume a training with weight averaging without its callback.

    Lightning would silently continue from the averaged weights with the optimizer state of the raw ones.
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the checkpoint with the callbacks.

        Raises:
            WeightsError: The checkpoint holds averages and the run has no averaging callback.
        """
        callbacks = cast(list[Callback], cast(Any, trainer).callbacks)
        averaging = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        if trainer.state.fn == TrainerFn.FITTING and "current_model_state" in checkpoint and not averaging:
            raise WeightsError(
                "the checkpoint was trained with weight averaging, but this run has no averaging callback; "
                "add EMAWeightAveraging to trainer.callbacks, or start a new training with --init_from."
            )


class IntervalGuard(Callback):
    """Refuse a validation interval that is longer than an epoch, before the first step.

    Args:
        interval: ``val_check_interval`` of the Trainer, in batches of an epoch.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compare the interval with the number of batches.

        Raises:
            ColorzooError: It is larger.
        """
        data = cast(Any, trainer).datamodule
        batches = len(data.train_dataloader())
        if not getattr(trainer, "fast_dev_run", False) and isinstance(trainer.limit_train_batches, int):
            batches = min(batches, trainer.limit_train_batches)
        if self.interval > batches:
            raise ColorzooError(
                f"--trainer.val_check_interval must be at most {batches}, the batches of an epoch, got "
                f"{self.interval}; with --trainer.check_val_every_n_epoch null it counts all batches."
            )


class DataPlace(Callback):
    """Count the place in an epoch by images when a run goes on with another global batch.

    Lightning restores the number of batches. After 10 of 40 images a run with batches of 20 would begin at
    the 200th image, not the 400th.
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Change the number of batches in the checkpoint before Lightning restores it.

        Raises:
            DataError: The place cannot be counted in the present batches.
        """
        data = getattr(trainer, "datamodule", None)
        if trainer.state.fn != TrainerFn.FITTING or not isinstance(data, ImageDataModule):
            return
        earlier = checkpoint.get(type(data).__qualname__)
        loops = checkpoint["loops"]["fit_loop"]
        progress = loops["epoch_loop.batch_progress"]
        batches = _batches_done(progress)
        if not earlier or not batches:
            return
        if progress["is_last_batch"]:
            now = len(data.train_dataloader())  # the epoch is at its end
        else:
            now = data.continue_epoch(earlier, loops["epoch_progress"]["current"]["processed"], batches)
        for name in ("ready", "started", "processed", "completed"):
            progress["current"][name] += now - batches


def _batches_done(progress: dict[str, Any]) -> int:
    """Return after how many batches of an epoch Lightning goes on, as its training loop finds it."""
    total, done = progress["total"], int(progress["current"]["completed"])
    saved_within_a_hook = total["ready"] == total["started"] == total["processed"] == total["completed"] + 1
    return done + int(saved_within_a_hook)


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
