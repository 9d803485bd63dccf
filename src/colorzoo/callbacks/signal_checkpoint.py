"""Save the training when it is interrupted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.exceptions import SIGTERMException

from colorzoo.callbacks.folders import run_folder
from colorzoo.callbacks.requeue import PreemptionNotice, requeue_job

NAME = "interrupted.ckpt"


class SignalCheckpoint(Callback):
    """Write ``interrupted.ckpt`` on SIGTERM, SLURM's SIGUSR1 (a preempted job), Ctrl+C or any error.

    The running batch is finished before a signal is obeyed, so the file continues exactly there. Resume
    with ``--ckpt_path``. The file stays until a run in the same folder ends well. After SIGUSR1 the job is
    queued again.

    Args:
        dirpath: Folder of the file; ``checkpoints`` in the run's folder by default.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        self.dirpath = dirpath
        self._notice = PreemptionNotice()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder now: asking for it is a collective call, which must not happen during an error."""
        del pl_module, stage
        self._path = Path(self.dirpath or run_folder(trainer) / "checkpoints") / NAME

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for SLURM's signal, now that Lightning has set its own handlers."""
        del trainer, pl_module
        self._notice.listen()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """End the training between two steps, once SLURM has told any process that its time is up.

        Raises:
            SIGTERMException: In all processes at once.
        """
        del pl_module, batch, batch_idx
        if self._notice.awaited and trainer.strategy.reduce_boolean_decision(self._notice.given, all=False):
            self._notice.given = True
            raise SIGTERMException

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save, if all processes are here and there is anything to save."""
        # SIGTERM is broadcast, so every process arrives; after another error they would be awaited for ever.
        together = trainer.world_size == 1 or isinstance(exception, SIGTERMException)
        running = trainer.training or trainer.validating
        if not (together and running and trainer.global_step > 0):
            return
        if trainer.validating:
            _swap_back(trainer, pl_module)
        trainer.save_checkpoint(self._path)
        if trainer.is_global_zero:
            print(f"interrupted; resume with --ckpt_path {self._path}", file=sys.stderr)
            if self._notice.given:
                requeue_job()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the file of an interruption that this run has made up for."""
        del pl_module
        if trainer.is_global_zero:
            self._path.unlink(missing_ok=True)


def _swap_back(trainer: Trainer, pl_module: LightningModule) -> None:
    """Take the averaged weights, with which validation was running, out of the module again."""
    for callback in cast(list[Callback], cast(Any, trainer).callbacks):
        if isinstance(callback, WeightAveraging):
            callback.on_validation_epoch_end(trainer, pl_module)
