"""Files of a run: a lock file, and a record of the command, versions, commit and data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo._machine import describe_run
from colorzoo.data import ImageDataModule
from colorzoo.errors import ColorzooError
from colorzoo.files import check_outputs, lock_file
from colorzoo.options import plain_arguments
from colorzoo.training.loggers import LOCK, RECORD, run_folder, write_text
from colorzoo.training.module import ColorizationModule

_STARTS = {"config.yaml": b"# lightning.pytorch==", RECORD: b'{\n "stage"'}
"""Beginning of each file that a run writes and that can have the name of a file that a person made."""
_TIMEOUT = 5.0  # seconds, enough for the worker processes of a killed run to end


class RunLock(Callback):
    """Callback that ends all processes if another run uses the run folder.

    Run folders in a bucket are not locked.
    """

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self._problem = ""

    def acquire(self, trainer: Trainer, configs: Iterable[Path], checkpoint: str | None) -> bool:
        """Lock the run folder; return False if `setup` will raise an error.

        A run does not replace ``config.yaml`` or ``run.json`` if a person wrote the file. Unless it continues
        from a checkpoint in the folder, it also replaces neither its own configurations nor checkpoints. All
        these files can be in the run folder if the logger is disabled or has a fixed version.

        The first process must call this method before ``trainer.fit``, where loggers change files before any
        callback runs.

        Args:
            trainer: Trainer of the run.
            configs: Configuration files of the command.
            checkpoint: Checkpoint from which the run continues; None for a new run.
        """
        folder = run_folder(trainer)
        if "://" in folder:
            return True
        path = Path(folder) / LOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock_file(path, _TIMEOUT)
        except TimeoutError as error:
            self._problem = (
                f"{error}, which trains in this folder. End it, or set another --trainer.default_root_dir."
            )
        except OSError as error:
            self._problem = f"{path} cannot be created: {error.strerror}"
        if self._problem:
            return False
        resumes = checkpoint is not None and path.parent.resolve() in Path(checkpoint).resolve().parents
        own = {path.with_name(name): start for name, start in _STARTS.items()}
        saved = [path.parent / "checkpoints" / name for name in ("last.ckpt", "interrupted.ckpt")]
        try:
            check_outputs(own, [] if resumes else configs)
            for each, start in own.items():
                # a full disk can leave a part of an own file
                if each.exists() and not start.startswith(each.read_bytes()[: len(start)]):
                    self._problem = (
                        f"{each} was not written by a run. Move this file, or set another "
                        "--trainer.default_root_dir."
                    )
            for each in filter(Path.exists, [] if resumes else saved):
                self._problem = (
                    f"{each} already exists. Set --ckpt_path to resume its run, or set another "
                    "--trainer.default_root_dir for a new run."
                )
        except (ColorzooError, OSError) as error:
            self._problem = str(error)
        return not self._problem

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """End all processes if the first process could not lock the folder.

        Raises:
            ColorzooError: Another run uses the folder, or it cannot be created.
        """
        if problem := trainer.strategy.broadcast(self._problem):
            raise ColorzooError(problem)

    def release(self) -> None:
        """Unlock the run folder."""
        if self._lock is not None:
            self._lock.release()


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
