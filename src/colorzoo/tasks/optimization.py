"""Optimizers and schedules, given by configuration as Lightning users expect, on the length of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, ParamSpec, Self, TypeVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from colorzoo.errors import ColorzooError
from colorzoo.tasks.schedules import RunSchedule

P = ParamSpec("P")
R = TypeVar("R")


class Maker(Generic[P, R]):
    """Builds an optimizer or a schedule; copies of a model share it.

    Those of the command line hold on to its parser and with it to the Trainer. Weight averaging copies the
    model, and would copy all of that, or fail where it runs other processes, which cannot be copied.

    Args:
        make: What builds.
    """

    def __init__(self, make: Callable[P, R]) -> None:
        self.make = make

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Build."""
        return self.make(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself."""
        del memo
        return self


DEFAULT_OPTIMIZER: OptimizerCallable = partial(torch.optim.Adam, lr=1e-4)
"""What trains a model whose configuration names no optimizer."""


def parameter_groups(*modules: nn.Module) -> list[dict[str, Any]]:
    """Return what is trained of some modules, in two groups: weights, and what must not decay.

    Biases and the factors of normalizations (one axis) are kept out of weight decay.
    """
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def schedule(
    make: LRSchedulerCallable | None, optimizer: Optimizer, trainer: Trainer, **counting: int
) -> LRScheduler | None:
    """Build the schedule of an optimizer; one that spans the run is told how long that is.

    Args:
        make: Builds it; None keeps the rate as it is.
        optimizer: Whose rate to move.
        trainer: Knows the length of the run.
        **counting: See `planned_steps`.

    Raises:
        ColorzooError: The schedule needs a length, and the run has none; or it is not counted in steps.
    """
    if make is None:
        return None
    found = make(optimizer)
    if isinstance(found, ReduceLROnPlateau):
        raise ColorzooError("ReduceLROnPlateau follows a metric, not steps; choose another lr_scheduler.")
    if isinstance(found, RunSchedule) and found.total_steps is None:
        found.plan(planned_steps(trainer, **counting))
    return found


def planned_steps(trainer: Trainer, *, accumulate: int = 1, optimizers: int = 1) -> int:
    """Return how many steps an optimizer takes until the run ends.

    Args:
        trainer: Of the run.
        accumulate: Batches for each step, where the module itself accumulates.
        optimizers: How many optimizers step for each batch: each counts towards the trainer's ``max_steps``.

    Raises:
        ColorzooError: The run has no end that can be counted in steps.
    """
    limit = trainer.max_steps // optimizers if trainer.max_steps != -1 else None
    epochs = trainer.max_epochs
    if epochs is None or epochs == -1:
        if limit is None:
            raise ColorzooError(
                "this schedule needs to know how long the training is, and max_time does not tell; give "
                "--trainer.max_steps or --trainer.max_epochs, or total_steps of the schedule."
            )
        return limit
    # asking makes the trainer look at the data; its answer does not know manual optimization
    automatic = int(trainer.estimated_stepping_batches)
    if accumulate == optimizers == 1:
        return automatic
    steps = math.ceil(trainer.num_training_batches / accumulate) * max(1, epochs)
    return steps if limit is None else min(steps, limit)
