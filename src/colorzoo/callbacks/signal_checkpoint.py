"""Save the training when it is interrupted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.exceptions import SIGTERMException

from colorzoo.callbacks.folders import run_folder

NAME = "interrupted.ckpt"


class SignalCheckpoint(Callback):
    """Write ``interrupted.ckpt`` on SIGTERM (a preempted job), Ctrl+C or any error.

    Lightning finishes the running batch before it obeys SIGTERM, so the file continues exactly there. Resume
    with ``--ckpt_path``. The file stays until a run in the same folder ends well.

    Args:
        dirpath: Folder of the file; ``checkpoints`` in the run's folder by default.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        self.dirpath = dirpath

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder now: asking for it is a collective call, which must not happen during an error."""
        del pl_module, stage
        self._path = Path(self.dirpath or run_folder(trainer) / "checkpoints") / NAME

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
