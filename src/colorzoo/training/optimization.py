"""Creation of optimizers and learning rate schedules, and the number of optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, ParamSpec, Self, TypedDict, TypeVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from colorzoo.errors import ColorzooError
from colorzoo.training.schedules import RunSchedule

P = ParamSpec("P")
R = TypeVar("R")
OptimizerT = TypeVar("OptimizerT", bound=Optimizer)


class Optimization(TypedDict, total=False):
    """Optimizer arguments of tasks with one optimizer.

    Examples:
        >>> options: Optimization = {"optimizer": torch.optim.AdamW, "lr_scheduler": None}

    Attributes:
        optimizer: Function or class that builds the optimizer from parameters; in a configuration, any class
            of `torch.optim`. The default is Adam with a learning rate of 1e-4.
        lr_scheduler: Function or class that builds the schedule from the optimizer; in a configuration, a
            class of `torch.optim.lr_scheduler` (stepped after every optimizer step) or of
            `colorzoo.training.schedules`. None keeps the learning rate constant.
    """

    optimizer: OptimizerCallable | None
    lr_scheduler: LRSchedulerCallable | None


class AdversarialOptimization(Optimization, total=False):
    """Optimizer arguments of tasks with a discriminator.

    Examples:
        >>> options: AdversarialOptimization = {"optimizer": torch.optim.Adam, "lr_scheduler": None}

    Attributes:
        optimizer: Optimizer of the generator; see `Optimization`.
        lr_scheduler: Schedule of the generator; see `Optimization`.
        discriminator_optimizer: Optimizer of the discriminator; None uses ``optimizer``.
        discriminator_lr_scheduler: Schedule of the discriminator; None uses ``lr_scheduler``.
    """

    discriminator_optimizer: OptimizerCallable | None
    discriminator_lr_scheduler: LRSchedulerCallable | None


class Factory(Generic[P, R]):
    """Callable that builds an optimizer or schedule; `copy.deepcopy` returns the same object.

    Weight averaging deep-copies the task. A callable from LightningCLI references the argument parser and the
    Trainer, which cannot be copied in runs with several processes.

    Args:
        make: Function or class that builds the optimizer or the schedule.
    """

    def __init__(self, make: Callable[P, R]) -> None:
        self.make = make

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Build the optimizer or the schedule.

        Raises:
            ColorzooError: The optimizer or schedule rejects an argument.
        """
        try:
            return self.make(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise ColorzooError(f"--model.optimizer or --model.lr_scheduler is invalid: {error}") from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def optional_factory(make: Callable[P, R] | None) -> Factory[P, R] | None:
    """Wrap a callable in a `Factory`; return None if ``make`` is None."""
    return None if make is None else Factory(make)


DEFAULT_OPTIMIZER: OptimizerCallable = partial(torch.optim.Adam, lr=1e-4)
"""Optimizer factory for configurations without an optimizer."""


def parameter_groups(*modules: nn.Module) -> list[dict[str, Any]]:
    """Return the trainable parameters of modules in groups with and without weight decay.

    Parameters with at most one dimension, such as biases and normalization weights, have no weight decay.
    """
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def schedule(make: LRSchedulerCallable | None, optimizer: Optimizer, trainer: Trainer) -> LRScheduler | None:
    """Build the learning rate schedule of an optimizer; return None if ``make`` is None.

    If the attribute ``total_steps`` of a `RunSchedule` is None, it is set to the number of optimizer steps of
    the run.

    Args:
        make: Function that builds the schedule; None keeps the learning rate constant.
        optimizer: The optimizer.
        trainer: Trainer of the run.

    Raises:
        ColorzooError: The schedule requires the number of steps but the run has no limit, or the schedule
            depends on a metric.
    """
    if make is None:
        return None
    scheduler = make(optimizer)
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ColorzooError(
            "--model.lr_scheduler must not depend on a metric, got ReduceLROnPlateau. "
            "Choose another class, such as torch.optim.lr_scheduler.CosineAnnealingLR."
        )
    if isinstance(scheduler, RunSchedule) and scheduler.total_steps is None:
        scheduler.total_steps = planned_steps(trainer)
    return scheduler


def planned_steps(trainer: Trainer) -> int:
    """Return the total number of optimizer steps of the run.

    Args:
        trainer: Trainer of the run.

    Raises:
        ColorzooError: The run has no step limit, and no epoch limit or epochs of unknown length.
    """
    max_steps = None if trainer.max_steps == -1 else trainer.max_steps
    max_epochs = None if trainer.max_epochs == -1 else trainer.max_epochs
    if max_epochs is not None:
        # this property sets up the data, so it must be read before num_training_batches
        estimated_steps = int(trainer.estimated_stepping_batches)
        if not math.isinf(trainer.num_training_batches):  # infinite if the data set has no length
            return estimated_steps
    if max_steps is None:
        raise ColorzooError(
            "--model.lr_scheduler requires the number of training steps. Set --trainer.max_steps, "
            "--trainer.max_epochs (for data with a length) or the argument total_steps of the scheduler."
        )
    return max_steps
