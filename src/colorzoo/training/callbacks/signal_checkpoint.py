"""Save the training when it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, distributed

from colorzoo.errors import first_words
from colorzoo.training.callbacks.checkpoints import validates_next
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.loggers import run_folder
from colorzoo.training.requeue import TERMINATED, requeue_job

NAME = "interrupted.ckpt"

_REQUEUE = getattr(signal, "SIGUSR1", None)  # of SLURM; Windows has none
# later ones outweigh earlier ones
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([] if _REQUEUE is None else [_REQUEUE]))
_INTERRUPTED = 130  # exit code, as shells report it


class SignalCheckpoint(Checkpoint):
    """Write ``interrupted.ckpt`` and end the run on Ctrl+C, SIGTERM, or SIGUSR1 in a SLURM job.

    A signal only sets a flag. At the end of each optimizer step (of each group of accumulated batches) the
    flags of all processes are joined; if one is set, all processes finish a validation that is due, save, and
    exit with 130 (Ctrl+C) or 143. A run resumed from the file equals an uninterrupted one. After SIGUSR1 the
    job is put back into SLURM's queue. In a run of one process a second Ctrl+C ends it at once.

    After an error in a run of one process, the state before the failed step is saved. The file is deleted
    when a run in the same folder ends well.

    It is a `Checkpoint` so that Lightning calls it after the callbacks whose state it saves.

    Args:
        dirpath: Folder of the file; ``checkpoints`` in the run's folder by default.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        self.dirpath = dirpath
        self._flag = self._agreed = 0  # 1 + position in _SIGNALS
        self._saved = self._alone = False
        self._recoverable = False  # an error may come before the training starts
        self._group: Any = None
        self._statistics: list[tuple[Tensor, Tensor]] = []
        self._step = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the path; finding the folder is a collective call, which must not happen after an error."""
        self._path = Path(self.dirpath or run_folder(trainer) / "checkpoints") / NAME
        self._flag = self._agreed = 0
        self._saved, self._alone = False, trainer.world_size == 1

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, which it sets just before."""
        self._listen()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, and connect the processes without their devices."""
        self._listen()
        if not self._alone:
            self._group = distributed.new_group(backend="gloo")
        layers = [m for m in pl_module.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)]
        buffers = [buffer for layer in layers for buffer in layer.buffers()]
        recoverable = (
            self._alone and pl_module.automatic_optimization and trainer.accumulate_grad_batches == 1
        )
        self._statistics = [(buffer, buffer.clone()) for buffer in buffers] if recoverable else []
        self._recoverable = recoverable

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At the end of an optimizer step, save if any process was interrupted and no validation is due."""
        self._remember(trainer, pl_module)
        if _ends_step(trainer, pl_module, batch_idx):
            self._agreed = self._join(self._flag)
            if self._agreed and not validates_next(trainer):
                self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation that followed the interrupted step."""
        if self._agreed and not trainer.sanity_checking:
            self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Set the exit code of an interrupted run; after an error, save the state before the failed step."""
        if self._saved and isinstance(exception, SIGTERMException):
            interrupted = _SIGNALS[self._agreed - 1] == signal.SIGINT
            exception.code = _INTERRUPTED if interrupted else TERMINATED
            if trainer.is_global_zero and _SIGNALS[self._agreed - 1] == _REQUEUE:
                requeue_job()
        elif self._alone and trainer.global_step > 0 and isinstance(exception, Exception):
            if not _finite(pl_module):
                return
            if trainer.validating:
                _swap_back(trainer, pl_module)
                self._save_after(exception, trainer)
            elif trainer.training and self._rewind(trainer, pl_module):
                self._save_after(exception, trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delete the file of an interruption, as this run has gone on from there."""
        if trainer.is_global_zero:
            if self._path.is_dir():
                shutil.rmtree(self._path)
            self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        """Set the handlers; Lightning restores the earlier ones in the end."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            if number != _REQUEUE or SLURMEnvironment.detect():
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._alone and self._flag:
            raise KeyboardInterrupt
        self._flag = max(self._flag, 1 + _SIGNALS.index(signal.Signals(number)))
        if number == signal.SIGINT and self._alone:
            text = "\ncolorzoo: finishing this step, then saving; press Ctrl+C again to end without saving"
            os.write(sys.stderr.fileno(), f"{text}\n".encode())  # print may not be called in a handler

    def _join(self, flag: int) -> int:
        """Return the largest flag of all processes; all must call this together."""
        if self._group is None:
            return flag
        joined = torch.tensor(flag)  # on the CPU: no process waits for its device
        distributed.all_reduce(joined, op=distributed.ReduceOp.MAX, group=self._group)
        return int(joined)

    def _save(self, trainer: Trainer) -> None:
        if self._saved:
            return
        trainer.save_checkpoint(self._path)
        self._saved = True
        # Lightning has no public way to end a run after its loggers are written but before the next batch.
        trainer._signal_connector.received_sigterm = True
        if trainer.is_global_zero:
            self._report()

    def _save_after(self, error: Exception, trainer: Trainer) -> None:
        """Save what an error has left intact, and say so; a disk that is full or lost keeps what it has."""
        try:
            trainer.save_checkpoint(self._path)
        except Exception as other:  # of any library; the error that ended the run must stay the one reported
            reason = getattr(other, "strerror", None) or first_words(other)
            print(f"colorzoo: {self._path} could not be saved: {reason}", file=sys.stderr)
            return
        print(
            f"colorzoo: stopped by an error ({type(error).__name__}), which resuming alone does not mend; "
            f"the state before it is {self._path}",
            file=sys.stderr,
        )

    def _report(self) -> None:
        print(f"colorzoo: interrupted; resume with --ckpt_path {self._path}", file=sys.stderr)

    def _remember(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy what a failing step may change: normalization statistics and the count of pictures."""
        self._step, self._provenance = trainer.global_step, getattr(pl_module, "provenance", None)
        for buffer, copy in self._statistics:
            copy.copy_(buffer)

    def _rewind(self, trainer: Trainer, pl_module: Any) -> bool:
        """Return to the state before the batch of an error; False if its weights may have changed since."""
        loop = trainer.fit_loop.epoch_loop
        steps = loop.automatic_optimization.optim_progress.optimizer
        if loop.batch_progress.current.ready != loop.batch_progress.current.completed:
            if not self._recoverable or trainer.global_step != self._step:
                return False
            for buffer, copy in self._statistics:
                buffer.copy_(copy)
            pl_module.provenance = self._provenance
            steps.zero_grad.current.completed = steps.step.current.completed
            steps.zero_grad.total.completed = steps.step.total.completed
            for counts in (loop.batch_progress, steps.step, steps.zero_grad):
                counts.current.reset_on_restart()
                counts.total.reset_on_restart()
        return trainer.accumulate_grad_batches == 1 or not loop._should_accumulate()


def _ends_step(trainer: Trainer, module: LightningModule, batch_idx: int) -> bool:
    if isinstance(module, GANColorizationModule):
        return module.ends_group(batch_idx)
    return not trainer.fit_loop.epoch_loop._should_accumulate()


def _finite(module: torch.nn.Module) -> bool:
    """Return whether all weights are finite: a GPU's loss that is not is found some steps later."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())


def _swap_back(trainer: Trainer, pl_module: LightningModule) -> None:
    """Swap the averaged weights of a validation for the trained ones."""
    for callback in cast(list[Any], cast(Any, trainer).callbacks):
        if isinstance(callback, WeightAveraging):
            callback.on_validation_epoch_end(trainer, pl_module)
