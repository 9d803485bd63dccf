"""A model trains: gradients reach every weight, and its configuration runs."""

from __future__ import annotations

import csv
import json
import math
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

import colorzoo
from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError
from colorzoo.registry import load_class
from colorzoo.tasks import nest_arguments
from colorzoo.testing.models import ContractError, require, smoke_model
from colorzoo.testing.samples import sample_batch, write_sample_pictures
from colorzoo.testing.trainer import GradientWitness, batch_loader, quiet_trainer, silent_lightning

_BATCH = 4


def check_gradients(card: ModelCard) -> None:
    """One training step gives every trainable weight a gradient, but for those the card excepts.

    A model that declares the limit ``"training"`` has no weight, and refuses in a line that says so.
    """
    if not card.trainable:
        _check_refusal(card)
        return
    model = smoke_model(card).train()
    witness = GradientWitness()
    batch = sample_batch((card.smoke.size,) * 2, batch=_BATCH)
    with TemporaryDirectory() as folder, silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1, callbacks=[witness])
        trainer.fit(model, batch_loader([batch]))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    idle = {name for name in names if not _is_alive(witness.gradients.get(name))}
    excepted = {n for n in names if any(fnmatchcase(n, p) for p in card.smoke.without_gradient)}
    require(not idle - excepted, f"{card.name}: no usable gradient for {sorted(idle - excepted)}")
    require(not excepted - idle, f"{card.name}: the card excepts {sorted(excepted - idle)}, wrongly")


def check_config(card: ModelCard, configs: Path | None = None) -> None:
    """The card's configuration trains two steps and validates, through the command line's own entry.

    Args:
        card: The model; one without a configuration passes.
        configs: Folder of configurations; by default those of colorzoo.
    """
    from colorzoo.cli.lightning import run

    if card.config is None:
        return
    require(card.trainable, f"{card.name} declares that it cannot be trained, but has {card.config}")
    config = find_config(card.config, configs)
    with TemporaryDirectory() as name, silent_lightning():
        folder = Path(name)
        overlay = write_overlay(card, folder)
        code = run(["fit", "--config", str(config), "--config", str(overlay)])
        losses = logged_losses(folder)
    require(code == 0, f"{card.name}: {card.config} ended with exit code {code}")
    ok = len(losses) >= 2 and all(math.isfinite(value) for value in losses)
    require(ok, f"{card.name}: {card.config} logged {losses} in two steps")


def _check_refusal(card: ModelCard) -> None:
    """A model that cannot be trained has nothing to train, is ready as it is, and a trainer is told so."""
    model = smoke_model(card)
    found = [name for name, _ in model.named_parameters()]
    require(not found, f"{card.name} declares that it cannot be trained, but has weights: {found}")
    require(not card.weights, f"{card.name} declares that it cannot be trained, but its card has weights")
    require(model.trained, f"{card.name} needs no training, but says that it is untrained")
    with TemporaryDirectory() as folder, silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1)
        try:
            trainer.fit(model, batch_loader([sample_batch((card.smoke.size,) * 2)]))
        except ColorzooError as error:
            require("\n" not in str(error), f"{card.name}: refuses training in several lines: {error}")
            return
    raise ContractError(f"{card.name} declares that it cannot be trained, but a Trainer may try")


def find_config(config: str, configs: Path | None = None) -> Path:
    """Return the path of a configuration: in a given folder, the installed package or a checkout.

    Raises:
        ContractError: There is no such file.
    """
    package = Path(colorzoo.__path__[0])
    folders = [configs] if configs else [package / "configs", package.parents[1] / "configs"]
    for folder in folders:
        if (folder / config).is_file():
            return folder / config
    raise ContractError(f"no configuration {config!r} in {[str(folder) for folder in folders]}")


def write_overlay(card: ModelCard, folder: Path) -> Path:
    """Write sample pictures, and a configuration that makes any other one small enough for a trial."""
    write_sample_pictures(folder / "pictures", count=2 * _BATCH)
    side = card.smoke.size
    data = {"root": str(folder / "pictures"), "batch_size": 2, "crop": side, "resize": side + 4}
    data |= {"val_size": side, "val_batch_size": 2, "val_limit": 2, "num_workers": 0}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(folder)}}
    trainer: dict[str, Any] = {"max_epochs": 1, "max_steps": -1, "limit_train_batches": 2}
    trainer |= {"check_val_every_n_epoch": 1, "val_check_interval": 1.0, "log_every_n_steps": 1}
    trainer |= {"accelerator": "cpu", "devices": 1, "logger": logger, "default_root_dir": str(folder)}
    trainer |= {"enable_progress_bar": False, "enable_model_summary": False}
    overlay = {
        "model": {"init_args": nest_arguments(load_class(card), card.smoke.hparams)},
        "data": {"class_path": "colorzoo.data.FolderDataModule", "init_args": data},
        "trainer": trainer,
    }
    path = folder / "overlay.yaml"
    path.write_text(json.dumps(overlay))  # JSON is YAML
    return path


def logged_losses(folder: Path) -> list[float]:
    """Return the values of all ``train/*`` columns in the log that a run left below ``folder``."""
    rows = [row for log in folder.rglob("metrics.csv") for row in csv.DictReader(log.open())]
    losses = [[float(v) for k, v in row.items() if k.startswith("train/") and v] for row in rows]
    return [sum(values) for values in losses if values]


def _is_alive(gradient: Tensor | None) -> bool:
    """Say whether a gradient is there, finite and not zero everywhere.

    Biases may be zero: before a normalization they have no effect.
    """
    if gradient is None or not gradient.isfinite().all():
        return False
    return gradient.ndim < 2 or bool(gradient.any())
