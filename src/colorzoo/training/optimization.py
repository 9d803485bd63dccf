"""Optimizers and schedules from configurations, and the length of a run in steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, ParamSpec, Self, TypedDict, TypeVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from colorzoo.errors import ColorzooError
from colorzoo.settings import NonNegativeFloat, PositiveInt
from colorzoo.training.schedules import RunSchedule

P = ParamSpec("P")
R = TypeVar("R")
OptimizerT = TypeVar("OptimizerT", bound=Optimizer)


class Optimization(TypedDict, total=False):
    """Arguments of the tasks with one optimizer.

    Examples:
        >>> options: Optimization = {"optimizer": torch.optim.AdamW, "lr_scheduler": None}

    Attributes:
        optimizer: Builds the optimizer from parameters: any of `torch.optim` in a configuration; Adam with a
            rate of 1e-4 by default.
        lr_scheduler: Builds the schedule from the optimizer: any of `torch.optim.lr_scheduler`, counted in
            steps, or one of `colorzoo.training.schedules`; None keeps the rate.
    """

    optimizer: OptimizerCallable | None
    lr_scheduler: LRSchedulerCallable | None


class AdversarialOptimization(Optimization, total=False):
    """Arguments of the tasks with a discriminator; those of `Optimization` are the generator's.

    Examples:
        >>> options: AdversarialOptimization = {"optimizer": torch.optim.Adam, "accumulate": 2, "clip": 1.0}

    Attributes:
        optimizer: See `Optimization`.
        lr_scheduler: See `Optimization`; counted in steps of the generator.
        discriminator_optimizer: Builds the optimizer of the discriminator; None takes `optimizer`.
        discriminator_lr_scheduler: Builds its schedule; None takes `lr_scheduler`.
        accumulate: Batches per step; 1 by default.
        clip: Largest norm of a gradient; 0, the default, does not clip.
    """

    discriminator_optimizer: OptimizerCallable | None
    discriminator_lr_scheduler: LRSchedulerCallable | None
    accumulate: PositiveInt
    clip: NonNegativeFloat


class Maker(Generic[P, R]):
    """Callable that builds an optimizer or a schedule and is shared by copies of a trainer.

    Callables of the command line reference its parser and the Trainer. Weight averaging copies the task
    and would copy these too, or fail in a run of several processes.

    Args:
        make: Builds it.
    """

    def __init__(self, make: Callable[P, R]) -> None:
        self.make = make

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Build.

        Raises:
            ColorzooError: An argument has a value that the optimizer or schedule does not take.
        """
        try:
            return self.make(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise ColorzooError(f"optimizer or schedule: {error}") from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself."""
        return self


def maker(make: Callable[P, R] | None) -> Maker[P, R] | None:
    """Return a `Maker`, or None for None."""
    return None if make is None else Maker(make)


DEFAULT_OPTIMIZER: OptimizerCallable = partial(torch.optim.Adam, lr=1e-4)
"""Builds the optimizer if the configuration names none."""


def parameter_groups(*modules: nn.Module) -> list[dict[str, Any]]:
    """Return the trainable parameters of modules in two groups, with and without weight decay.

    Biases and the factors of normalizations (one axis) do not decay.
    """
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def build(
    make_optimizer: Callable[..., Optimizer],
    make_scheduler: LRSchedulerCallable | None,
    groups: list[dict[str, Any]],
    trainer: Trainer,
    **counting: int,
) -> tuple[Optimizer, LRScheduler | None]:
    """Build an optimizer and its schedule; see `schedule`."""
    optimizer = fused(make_optimizer(groups), trainer)
    return optimizer, schedule(make_scheduler, optimizer, trainer, **counting)


def schedule(
    make: LRSchedulerCallable | None, optimizer: Optimizer, trainer: Trainer, **counting: int
) -> LRScheduler | None:
    """Build the schedule of an optimizer and set the length of one that spans the run.

    Args:
        make: Builds it; None keeps the rate.
        optimizer: The optimizer.
        trainer: The Trainer of the run.
        **counting: See `planned_steps`.

    Raises:
        ColorzooError: The schedule needs a length and the run has none, or it does not count steps.
    """
    if make is None:
        return None
    found = make(optimizer)
    if isinstance(found, ReduceLROnPlateau):
        raise ColorzooError("ReduceLROnPlateau follows a metric, not steps; choose another lr_scheduler.")
    if isinstance(found, RunSchedule) and found.total_steps is None:
        found.plan(planned_steps(trainer, **counting))
    return found


def fused(optimizer: OptimizerT, trainer: Trainer) -> OptimizerT:
    """Let Adam and AdamW update all weights in one kernel, on GPUs.

    Not with ``16-mixed``, whose gradients such a kernel unscales by itself, after they were clipped.

    Args:
        optimizer: A new optimizer.
        trainer: The Trainer of the run.
    """
    if (
        isinstance(optimizer, Adam)
        and trainer.strategy.root_device.type == "cuda"
        and trainer.precision != "16-mixed"
    ):
        for group in optimizer.param_groups:
            if group["fused"] is None and not group["foreach"]:
                group["fused"], group["foreach"] = True, False
    return optimizer


def planned_steps(trainer: Trainer, *, accumulate: int = 1) -> int:
    """Return the number of steps until the run ends.

    Args:
        trainer: The Trainer of the run.
        accumulate: Batches per step, if the module itself accumulates.

    Raises:
        ColorzooError: The run is limited neither in steps nor in epochs.
    """
    limit = trainer.max_steps if trainer.max_steps != -1 else None
    epochs = trainer.max_epochs
    if epochs is None or epochs == -1:
        if limit is None:
            raise ColorzooError(
                "this schedule needs the number of steps of the training, which max_time does not give; set "
                "--trainer.max_steps or --trainer.max_epochs, or total_steps of the schedule."
            )
        return limit
    # this makes the Trainer set up the data; its result does not consider manual optimization
    automatic = int(trainer.estimated_stepping_batches)
    if accumulate == 1:
        return automatic
    steps = math.ceil(trainer.num_training_batches / accumulate) * max(1, epochs)
    return steps if limit is None else min(steps, limit)
