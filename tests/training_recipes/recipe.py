"""Training settings of papers, which are compared with the configurations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

import colorzoo.data  # noqa: F401 - makes short class names known to the parser
from colorzoo.training.arguments import import_tasks, prepare_words
from colorzoo.training.command import ZooCLI
from colorzoo.training.module import ColorizationModule

STEPS_OF_AN_EPOCH = 100  # in these tests, because no data set is available


@dataclass(frozen=True)
class Recipe:
    """One stage of a paper's training.

    Attributes:
        config: Path below ``configs/``.
        source: Source of the values.
        rates: Learning rate of the first optimizer's first group by step; an epoch has 100 steps.
        matching_rates: Learning rate of the first optimizer's last group.
        discriminator_rates: Learning rate of the second optimizer.
        optimizer: Class of the first optimizer.
        betas: Betas of the first optimizer; ignored if it has no betas.
        weight_decay: Weight decay of the first optimizer.
        batch: Global batch size.
        epochs: ``max_epochs`` of the trainer; None if it is limited by steps.
        steps: ``max_steps`` of the trainer; None if it is limited by epochs.
        stage: Training stage of the model.
        settings: Settings stated in the source, by name.
        trains: Name prefixes of trained parameters.
        fixed: Name prefixes of frozen exceptions.
    """

    config: str
    source: str
    rates: Mapping[int, float]
    matching_rates: Mapping[int, float] | None = None
    discriminator_rates: Mapping[int, float] | None = None
    optimizer: str = "Adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    batch: int | None = None
    epochs: int | None = None
    steps: int | None = None
    stage: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    trains: tuple[str, ...] = ("model.network.",)
    fixed: tuple[str, ...] = ()

    def trained(self, name: str) -> bool:
        return name.startswith(self.trains) and not name.startswith(self.fixed or ("\n",))


@dataclass(frozen=True)
class Parsed:
    """A configuration as the command line builds it, its weights on the meta device."""

    model: ColorizationModule
    data: LightningDataModule
    trainer: Trainer
    optimizers: list[Optimizer]
    schedulers: list[LRScheduler | None]

    @property
    def settings(self) -> dict[str, Any]:
        return self.model.hparams


def parse(config: str, folder: Path) -> Parsed:
    """Build what ``colorzoo fit --config CONFIG`` would train, without data and without training."""
    args = ["--config", config, "--data.root", str(folder)]
    args += ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.strategy=auto"]
    args += ["--trainer.precision=32-true", f"--trainer.default_root_dir={folder}"]
    words = prepare_words(args)
    import_tasks(words)
    with torch.device("meta"), mock.patch.object(ZooCLI, "_run_subcommand"):
        cli = ZooCLI("fit", words)
    cli.model.trainer = cli.trainer
    with known_length():
        found = cli.model.configure_optimizers()
    return Parsed(cli.model, cli.datamodule, cli.trainer, *_split(found))


@contextmanager
def known_length() -> Iterator[None]:
    """Patch `planned_steps` so that every epoch has 100 steps."""

    def planned(trainer: Trainer) -> int:
        limits = [trainer.max_steps] if trainer.max_steps != -1 else []
        if trainer.max_epochs not in (None, -1):
            limits.append(trainer.max_epochs * STEPS_OF_AN_EPOCH)
        return min(limits)

    with mock.patch("colorzoo.training.optimization.planned_steps", planned):
        yield


def rate_at(optimizer: Optimizer, scheduler: LRScheduler | None, step: int, group: int = 0) -> float:
    """Return the learning rate after ``step`` steps without stepping."""
    if scheduler is None:
        return float(optimizer.param_groups[group]["lr"])
    scheduler.last_epoch = step
    closed = getattr(scheduler, "_get_closed_form_lr", scheduler.get_lr)
    return float(closed()[group])


def _split(found: Any) -> tuple[list[Optimizer], list[LRScheduler | None]]:
    if isinstance(found, Optimizer):
        return [found], [None]
    if isinstance(found, dict):
        return [found["optimizer"]], [found["lr_scheduler"]["scheduler"]]
    optimizers, schedulers = found
    return optimizers, schedulers or [None] * len(optimizers)
