"""Record of a run: command, versions, platform, commit and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from colorzoo.environment import describe_run
from colorzoo.registry import card_of
from colorzoo.training.loggers import RECORD, WandbLogger, log_settings, run_folder
from colorzoo.training.module import ColorizationModule
from colorzoo.weights.provenance import data_digest


class RunRecord(Callback):
    """Write ``run.json`` beside the run's ``config.yaml``, and commit and data into checkpoints.

    Loggers receive the same as settings, and the card of a registered model. Checkpoints hold the settings of
    the training too, with which a resumed one is compared.

    Args:
        settings: Those settings; see `colorzoo.training.agreement`.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = dict(settings or {})

    def state_dict(self) -> dict[str, Any]:
        """Return the settings, for the checkpoint."""
        return {"settings": self.settings} if self.settings else {}

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
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add commit and data to the provenance of the model."""
        if not (trainer.is_global_zero and isinstance(pl_module, ColorizationModule)):
            return  # only the first process writes checkpoints
        git = self._git
        names = getattr(getattr(getattr(trainer, "datamodule", None), "train_data", None), "names", None)
        pl_module.provenance = replace(
            pl_module.provenance,
            commit=None if git is None else git["commit"] + ("-changed" if git["changed"] else ""),
            data=None if names is None else data_digest(names),
        )
