"""Files of a run: a lock file, and a record of the command, versions, commit and data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo.data import ImageDataModule
from colorzoo.environment import describe_run
from colorzoo.errors import ColorzooError
from colorzoo.training.loggers import RECORD, run_folder, write_text
from colorzoo.training.module import ColorizationModule

_TIMEOUT = 5.0  # seconds, enough for the worker processes of a killed run to end


class RunLock(Callback):
    """Callback that locks the run folder during training.

    The operating system releases the locks of killed processes. Run folders in a bucket are not locked.
    """

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lock the run folder.

        Raises:
            ColorzooError: Another run uses the folder. All processes raise the error.
        """
        folder, problem = run_folder(trainer), ""
        if trainer.is_global_zero and "://" not in folder:
            path = Path(folder) / "run.lock"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = FileLock(path)
                self._lock.acquire(timeout=_TIMEOUT)
            except Timeout:
                problem = f"another process trains in {folder}. Set another --trainer.default_root_dir."
            except OSError as error:  # reported in all processes, because other processes wait in broadcast
                problem = f"{path} cannot be created: {error.strerror}"
        if problem := trainer.strategy.broadcast(problem):
            raise ColorzooError(problem)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Unlock the run folder."""
        if self._lock is not None:
            self._lock.release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Unlock the run folder."""
        self.teardown(trainer, pl_module, "fit")


class RunRecord(Callback):
    """Callback that records the start of a run in ``run.json`` and in the weights' provenance.

    ``run.json`` contains the command line, versions and the Git commit. The provenance of the weights
    contains the commit and a hash of the training data. If a run is resumed with another commit or other
    data, the provenance also contains the earlier values.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write ``run.json``."""
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        run = describe_run()
        self._git = run["git"]
        record = {"stage": stage, "processes": trainer.world_size, **run}
        write_text(f"{folder}/{RECORD}", json.dumps(record, indent=1) + "\n")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the commit and a hash of the training data to the provenance of the model."""
        if not (trainer.is_global_zero and isinstance(pl_module, ColorizationModule)):
            return  # only the first process writes checkpoints
        git = self._git
        commit = None if git is None else git["commit"] + ("-changed" if git["changed"] else "")
        datamodule: Any = getattr(trainer, "datamodule", None)
        data = datamodule.digest() if isinstance(datamodule, ImageDataModule) else None
        before, step = pl_module.provenance, trainer.global_step
        earlier = before.earlier
        if step and (before.commit, before.data) != (commit, data):
            earlier = (*earlier, {"until": step, "commit": before.commit, "data": before.data})
        pl_module.provenance = replace(before, commit=commit, data=data, earlier=earlier)
