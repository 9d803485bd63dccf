"""Record of a run: command, versions, platform, commit and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo.atomic import write_atomic
from colorzoo.data import PictureDataModule
from colorzoo.environment import describe_run
from colorzoo.registry import card_of
from colorzoo.training.loggers import RECORD, WandbLogger, log_settings, run_folder
from colorzoo.training.module import ColorizationModule
from colorzoo.training.runs import report
from colorzoo.weights.provenance import Provenance


class RunRecord(Callback):
    """Write ``run.json`` beside the run's ``config.yaml``, and commit and data into checkpoints.

    The record lists the segments of a run that was resumed: their first step, commit, data and processes. If
    data or commit are others than before, one line says so, and the provenance of the weights keeps both.

    Loggers receive the same as settings, and the card of a registered model. Checkpoints hold the settings of
    the training too, with which a resumed one is compared.

    Args:
        settings: Those settings; see `colorzoo.training.agreement`.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = dict(settings or {})
        self.segments: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return settings and segments, for the checkpoint."""
        return {"settings": self.settings, "segments": self.segments} if self.settings else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the earlier segments."""
        self.segments = list(state_dict.get("segments", []))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the record."""
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        trained = sum(p.numel() for p in pl_module.parameters() if p.requires_grad)
        run = describe_run()
        self._git = run["git"]
        record = {"stage": stage, "processes": trainer.world_size, "parameters": trained, **run}
        card = card_of(type(pl_module), pl_module.hparams)
        log_settings(trainer.loggers, {"run": record, "card": None if card is None else card.to_dict()})
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):  # a resumed run continues it
                record["wandb"] = logger.version
        self._path, self._record = folder / RECORD, record
        self._write()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add commit and data to the provenance of the model, and this segment to the record."""
        if not (trainer.is_global_zero and isinstance(pl_module, ColorizationModule)):
            return  # only the first process writes checkpoints
        git = self._git
        commit = None if git is None else git["commit"] + ("-changed" if git["changed"] else "")
        datamodule = getattr(trainer, "datamodule", None)
        data = datamodule.digest() if isinstance(datamodule, PictureDataModule) else None
        before, step = pl_module.provenance, trainer.global_step
        earlier = before.earlier
        if step and (differences := _differences(before, commit, data)):
            report(f"resuming with {' and '.join(differences)} at step {step:,}")
            earlier = (*earlier, {"until": step, "commit": before.commit, "data": before.data})
        pl_module.provenance = replace(before, commit=commit, data=data, earlier=earlier)
        segment = {"step": step, "commit": commit, "data": data, "processes": trainer.world_size}
        self.segments = [*self.segments, segment]
        self._write()

    def _write(self) -> None:
        content = {**self._record, "segments": self.segments}
        write_atomic(self._path, (json.dumps(content, indent=1) + "\n").encode())


def _differences(before: Provenance, commit: str | None, data: Mapping[str, Any] | None) -> list[str]:
    """Return in words what differs from the training so far; what either does not know is left out."""
    found = []
    if before.data and data and dict(before.data) != dict(data):
        new, old = (f"{each['pictures']:,} ({each['sha256'][:8]})" for each in (data, before.data))
        found.append(f"other pictures: {new}, not {old}")
    if before.commit and commit and before.commit != commit:
        found.append(f"other source code of colorzoo: {commit[:8]}, not {before.commit[:8]}")
    return found
