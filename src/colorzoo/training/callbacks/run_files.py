"""Files of a run: a lock file, and a record of the command, versions, commit and data."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo._machine import describe_run
from colorzoo.data import ImageDataModule
from colorzoo.errors import ColorzooError
from colorzoo.options import plain_arguments
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
    contains the commit, the seed, the settings of the optimizers and hashes of the training data. If a run is
    resumed with other values, the provenance also contains the earlier values.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write ``run.json``, and read the settings before a checkpoint replaces the provenance."""
        if isinstance(pl_module, ColorizationModule):
            self._settings = pl_module.provenance
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        run = describe_run()
        self._git = run["git"]
        record = {"stage": stage, "processes": trainer.world_size, **run}
        write_text(f"{folder}/{RECORD}", json.dumps(record, indent=1) + "\n")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the commit, the settings and hashes of the training data to the provenance of the model."""
        if not (trainer.is_global_zero and isinstance(pl_module, ColorizationModule)):
            return  # only the first process writes checkpoints
        git, seed = self._git, os.environ.get("PL_GLOBAL_SEED")  # set by seed_everything
        datamodule: Any = getattr(trainer, "datamodule", None)
        found: dict[str, Any] = {
            "commit": None if git is None else git["commit"] + ("-changed" if git["changed"] else ""),
            "data": datamodule.digest() if isinstance(datamodule, ImageDataModule) else None,
            "config": self._settings.config,
            "resolved_config": self._settings.resolved_config,
            "seed": int(seed) if seed else None,
            "optimizers": tuple(
                {
                    "class": f"{type(each).__module__}.{type(each).__qualname__}",
                    **plain_arguments(each.defaults),
                }
                for each in trainer.optimizers
            ),
        }
        before, step = pl_module.provenance, trainer.global_step
        stored = {name: getattr(before, name) for name in found}
        earlier = before.earlier
        current = found
        if stored["data"] and found["data"]:  # only hashes that the earlier version of colorzoo stored
            current = found | {"data": {key: found["data"].get(key) for key in stored["data"]}}
        if step and stored != current:
            earlier = (*earlier, {"until": step, **stored})
        pl_module.provenance = replace(before, **found, earlier=earlier)
