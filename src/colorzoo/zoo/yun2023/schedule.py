"""The learning rate of iColoriT (the authors' ``cosine_scheduler``)."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from colorzoo.tasks.schedules import RunSchedule


class CosineFromZero(RunSchedule):
    """Rises in a line from 0 at the first step, then falls along half a cosine to a share of the rate.

    The last step of the rise and the first of the fall both have the full rate.

    Args:
        optimizer: See `RunSchedule`.
        warmup_steps: See `RunSchedule`.
        total_steps: See `RunSchedule`.
        final: Share of the rate towards which it falls; it would be reached one step after the last.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None, final: float = 0.02
    ) -> None:
        self.final = final
        super().__init__(optimizer, warmup_steps, total_steps)

    def rise(self, step: int) -> float:
        """Return step / (warmup_steps - 1)."""
        return step / max(1, self.warmup_steps - 1)

    def share(self, step: int, total: int) -> float:
        """Return final + (1 - final) (1 + cos(pi step / total)) / 2."""
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * step / total))
