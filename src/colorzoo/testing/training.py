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
from colorzoo.settings import known_settings, nest_arguments
from colorzoo.testing.models import ContractError, require, smoke_model
from colorzoo.testing.samples import sample_batch, write_sample_pictures
from colorzoo.testing.trainer import GradientWitness, batch_loader, quiet_trainer, silent_lightning

_BATCH = 4
_TRAIN_BATCH, _STEPS = 3, 2


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
    """The card's configuration trains two steps and validates; see `train_config`.

    Args:
        card: The model; one without a configuration passes.
        configs: Folder of configurations; by default those of colorzoo.
    """
    if card.config is None:
        return
    require(card.trainable, f"{card.name} declares that it cannot be trained, but has {card.config}")
    train_config(card, find_config(card.config, configs))


def train_config(card: ModelCard, config: Path, pictures: Path | None = None) -> None:
    """Train a configuration two steps and validate, by the command line's own entry and default callbacks.

    The model is as small as the card's trial. Batches are odd: three pictures in training, two in validation
    and then the one that is left.

    Args:
        card: A model of the configuration's class.
        config: Its path.
        pictures: Folder with at least six pictures below ``train`` and three below ``val``; by default
            blobs of color.

    Raises:
        ContractError: It fails, a loss is not finite, or validation leaves no picture of a model of photos.
    """
    from colorzoo.cli.lightning import run

    with TemporaryDirectory() as name, silent_lightning():
        folder = Path(name)
        if pictures is None:
            pictures = folder / "pictures"
            write_sample_pictures(pictures, count=4 * _TRAIN_BATCH)
        overlay = write_overlay(card, folder, pictures)
        code = run(["fit", "--config", str(config), "--config", str(overlay)])
        losses = logged(folder, "train/")
        measured = logged(folder, "val/")
        painted = card.input == "sketch" or any(folder.rglob("pictures/step-*.png"))
    require(code == 0, f"{card.name}: {config} ended with exit code {code}")
    ok = len(losses) >= _STEPS and all(math.isfinite(value) for value in losses)
    require(ok, f"{card.name}: {config} logged {losses} in two steps")
    require(bool(measured), f"{card.name}: {config} measured nothing in validation")
    require(painted, f"{card.name}: {config} painted no picture in validation")


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


def write_overlay(card: ModelCard, folder: Path, pictures: Path) -> Path:
    """Write a configuration that makes any other one of the card's class small enough for a trial."""
    model_class = load_class(card)
    # what a training starts from is as wide as the paper, and its weights need not be on this machine
    unset = {name: None for name in ("start", "trunk") if name in known_settings(model_class)}
    # a stage is what a configuration is about
    small = {name: value for name, value in card.smoke.hparams.items() if name != "stage"}
    side = card.smoke.size
    data = {"root": str(pictures), "batch_size": _TRAIN_BATCH, "crop": side, "resize": side + 4}
    data |= {"val_size": side, "val_batch_size": 2, "val_limit": 3, "num_workers": 0}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(folder)}}
    trainer: dict[str, Any] = {"max_epochs": 1, "max_steps": -1, "limit_train_batches": _STEPS}
    trainer |= {"check_val_every_n_epoch": 1, "val_check_interval": 1.0, "log_every_n_steps": 1}
    trainer |= {"accelerator": "cpu", "devices": 1, "logger": logger, "default_root_dir": str(folder)}
    trainer |= {"enable_progress_bar": False, "enable_model_summary": False}
    overlay = {
        "model": {"init_args": nest_arguments(model_class, unset | small)},
        "data": {"class_path": "colorzoo.data.FolderDataModule", "init_args": data},
        "trainer": trainer,
        "allow_untrained": True,  # a trial has no weights for what the paper freezes
    }
    path = folder / "overlay.yaml"
    path.write_text(json.dumps(overlay))  # JSON is YAML
    return path


def logged(folder: Path, prefix: str) -> list[float]:
    """Return the sum of each row's columns of a prefix in the logs that a run left below ``folder``."""
    rows = [row for log in folder.rglob("metrics.csv") for row in csv.DictReader(log.open())]
    values = [[float(v) for k, v in row.items() if k.startswith(prefix) and v] for row in rows]
    return [sum(each) for each in values if each]


def _is_alive(gradient: Tensor | None) -> bool:
    """Say whether a gradient is there, finite and not zero everywhere.

    Biases may be zero: before a normalization they have no effect.
    """
    if gradient is None or not gradient.isfinite().all():
        return False
    return gradient.ndim < 2 or bool(gradient.any())
