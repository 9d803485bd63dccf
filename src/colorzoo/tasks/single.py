"""The base of the papers with one optimizer."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from colorzoo.tasks.base import ColorizationModule
from colorzoo.tasks.optimization import DEFAULT_OPTIMIZER, Maker, parameter_groups, schedule
from colorzoo.tasks.stages import Start


class SingleOptimizerModule(ColorizationModule):
    """Base of the papers with one optimizer, which moves all that is trained, and a schedule by steps.

    Args:
        optimizer: Builds the optimizer from its parameters; any of `torch.optim` in a configuration.
        lr_scheduler: Builds the schedule from the optimizer: any of `torch.optim.lr_scheduler`, counted in
            steps, or one of `colorzoo.tasks.schedules`; None keeps the rate.
        stage: See `ColorizationModule`.
        start: See `ColorizationModule`.
    """

    def __init__(
        self,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        *,
        stage: str | None = None,
        start: Start | str | None = None,
    ) -> None:
        self.make_optimizer = Maker(optimizer or DEFAULT_OPTIMIZER)
        self.make_scheduler = lr_scheduler and Maker(lr_scheduler)
        super().__init__(stage=stage, start=start)

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and its schedule by steps."""
        optimizer = self.make_optimizer(parameter_groups(self))
        moves = schedule(self.make_scheduler, optimizer, self.trainer)
        if moves is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": moves, "interval": "step"}}
