"""The checkpoints that every training keeps: the best one, the last one, and that of an interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from torch import distributed

from colorzoo.training.loggers import run_folder

SAVE_EVERY = 1000
"""Steps between two saves of ``last.ckpt`` unless the configuration has its own."""

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}  # exit codes, as shells report them
if _REQUEUE := getattr(signal, "SIGUSR1", None):  # SLURM's signal before the time limit; Windows has none
    _CODES[_REQUEUE] = 143


class LastCheckpoint(ModelCheckpoint):
    """Keep the last checkpoint, ``last.ckpt``: every so many steps and after the last step.

    `ModelCheckpoint` saves no checkpoint after a last step that is not a multiple of the interval.

    Args:
        every_n_train_steps: Steps between two saves.
    """

    def __init__(self, every_n_train_steps: int = SAVE_EVERY) -> None:
        super().__init__(
            save_last=True,
            save_top_k=0,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,  # a resumed run overwrites the file
            save_on_train_epoch_end=False,  # saves again after a validation, with its value
        )
        self._every = every_n_train_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if the interval has passed, or after the last step."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if _ends(trainer) and trainer.global_step % self._every:
            trainer.save_checkpoint(os.path.join(self.dirpath or "", "last.ckpt"))  # noqa: PTH118 - or s3://

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do nothing: averaged weights have replaced the trained ones, which a longer run would need."""


class SignalCheckpoint(Checkpoint):
    """Write ``interrupted.ckpt`` and end the run on Ctrl+C, SIGTERM, or SIGUSR1 in a SLURM job.

    A signal only sets a flag. At the end of each optimizer step the flags of all processes are joined; if one
    is set, all save, and exit before the next batch with 130 (Ctrl+C) or 143. A run resumed from the file
    equals an uninterrupted run. After SIGUSR1 the job is put back into SLURM's queue. In a run of one process
    a second Ctrl+C ends it at once.

    `OnExceptionCheckpoint` and Lightning's handler of SLURM save wherever the signal arrives, also between
    the optimizer's step and the count of the batch, which a resumed run then trains twice. In several
    processes Lightning's handler of SIGTERM calls a collective operation that the other processes do not
    call.

    It is a `Checkpoint` so that Lightning calls it after the callbacks whose state it saves.

    Args:
        dirpath: Folder of the file; ``checkpoints`` in the run's folder by default.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        self.dirpath = dirpath
        self._received = self._agreed = 0
        self._group: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the path; finding the folder is a collective call."""
        self._path = f"{self.dirpath or run_folder(trainer) + '/checkpoints'}/interrupted.ckpt"
        self._received = self._agreed = 0
        self._alone = trainer.world_size == 1

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, which it sets just before."""
        self._listen()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, and connect the processes without their devices."""
        self._listen()
        if not self._alone:
            self._group = distributed.new_group(backend="gloo")

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """End an interrupted run after its last step was logged and validated.

        Raises:
            SystemExit: The run was interrupted.
        """
        if self._agreed:
            if trainer.is_global_zero:
                print(f"colorzoo: interrupted; resume with --ckpt_path {self._path}", file=sys.stderr)
                if self._agreed == _REQUEUE:
                    _requeue_job()
            raise SystemExit(_CODES[signal.Signals(self._agreed)])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At the end of an optimizer step, save if any process was interrupted."""
        group = getattr(pl_module, "accumulate", trainer.accumulate_grad_batches)
        if (batch_idx + 1) % group == 0 or trainer.is_last_batch:
            self._agreed = self._joined()
            if self._agreed:
                trainer.save_checkpoint(self._path)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save again after the validation that followed the interrupted step, with its value."""
        if self._agreed and not trainer.sanity_checking:
            trainer.save_checkpoint(self._path)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delete the file of an interruption, as this run has gone on from there."""
        trainer.strategy.remove_checkpoint(self._path)

    def _listen(self) -> None:
        """Set the handlers; Lightning restores the earlier handlers in the end."""
        if threading.current_thread() is threading.main_thread():
            for number in _CODES:
                if number != _REQUEUE or SLURMEnvironment.detect():
                    signal.signal(number, self._note)

    def _note(self, number: int, _: object) -> None:
        if number == signal.SIGINT and self._alone:
            if self._received:
                raise KeyboardInterrupt
            text = "\ncolorzoo: finishing this step, then saving; press Ctrl+C again to end without saving\n"
            os.write(sys.stderr.fileno(), text.encode())  # print may not be called in a handler
        self._received = max(self._received, number, key=[0, *_CODES].index)

    def _joined(self) -> int:
        """Return the strongest signal of all processes; all must call this together."""
        if self._group is None:
            return self._received
        order = [0, *_CODES]
        joined = torch.tensor(order.index(self._received))  # on the CPU: no process waits for its device
        distributed.all_reduce(joined, op=distributed.ReduceOp.MAX, group=self._group)
        return int(order[int(joined)])


def missing_checkpoints(given: Sequence[object], monitor: str) -> list[ModelCheckpoint]:
    """Return the callbacks that a training needs, besides those of its configuration, to keep best and last.

    Args:
        given: The callbacks of the configuration.
        monitor: The metric whose best value counts.
    """
    checkpoints = [callback for callback in given if isinstance(callback, ModelCheckpoint)]
    missing: list[ModelCheckpoint] = []
    if not any(callback.monitor and callback.save_top_k for callback in checkpoints):
        name = "best-{step}"
        missing.append(
            ModelCheckpoint(
                monitor=monitor, mode="max", filename=name, save_on_train_epoch_end=False, verbose=True
            )
        )
    if not any(callback.save_last for callback in checkpoints):
        missing.append(LastCheckpoint())
    return missing


def _ends(trainer: Trainer) -> bool:
    """Return whether the training ends with this step."""
    last_epoch = trainer.max_epochs not in (None, -1) and trainer.current_epoch + 1 >= trainer.max_epochs
    limited = trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps
    return limited or trainer.should_stop or (last_epoch and trainer.is_last_batch)


def _requeue_job() -> None:
    """Put this job back into SLURM's queue; print a refusal, as the checkpoint is saved in any case."""
    job, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{job}_{task}" if job else os.environ.get("SLURM_JOB_ID", "")
    try:
        done = subprocess.run(["scontrol", "requeue", name], capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        why = str(error)
    text = f"job {name} could not be queued again: {why}" if why else f"job {name} is queued again"
    print(f"colorzoo: {text}", file=sys.stderr)
