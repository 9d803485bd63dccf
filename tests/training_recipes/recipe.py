"""What a paper says of its training, as a row that a configuration is compared with."""

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
from colorzoo.settings import flatten_arguments
from colorzoo.training.arguments import import_tasks, prepare_words
from colorzoo.training.command import ZooCLI
from colorzoo.training.module import ColorizationModule

STEPS_OF_AN_EPOCH = 100  # in these tests, whose data are not there to be counted


@dataclass(frozen=True)
class Recipe:
    """One stage of a paper's training.

    Attributes:
        config: Below ``configs/``.
        source: Where the numbers stand.
        rates: Learning rate of the first optimizer's first group at some steps; an epoch has 100 here.
        matching_rates: That of the first optimizer's last group.
        discriminator_rates: That of the second optimizer.
        optimizer: Class of the first optimizer.
        betas: Its decays; None of an optimizer without.
        weight_decay: Its decay of weights.
        batch: Images in a batch.
        epochs: Of the trainer; None where steps end it.
        steps: The trainer's ``max_steps``; None where epochs end it.
        stage: Of the model.
        settings: Settings by name that the source states.
        trains: Beginnings of the names of all that is trained.
        fixed: Beginnings of the names of exceptions.
    """

    config: str
    source: str
    rates: Mapping[int, float]
    matching_rates: Mapping[int, float] | None = None
    discriminator_rates: Mapping[int, float] | None = None
    optimizer: str = "Adam"
    betas: tuple[float, float] | None = (0.9, 0.999)
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
        return flatten_arguments(type(self.model), self.model.hparams)


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
    """Let every epoch have a hundred steps."""

    def planned(trainer: Trainer, *, accumulate: int = 1) -> int:
        del accumulate
        limits = [trainer.max_steps] if trainer.max_steps != -1 else []
        if trainer.max_epochs not in (None, -1):
            limits.append(trainer.max_epochs * STEPS_OF_AN_EPOCH)
        return min(limits)

    with mock.patch("colorzoo.training.optimization.planned_steps", planned):
        yield


def rate_at(optimizer: Optimizer, scheduler: LRScheduler | None, step: int, group: int = 0) -> float:
    """Return the learning rate after ``step`` steps, without taking them."""
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
