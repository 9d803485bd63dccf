"""Learning rate schedules over a whole run, counted in optimizer steps.

If ``total_steps`` is None, the task sets it to the number of steps of the run.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from colorzoo.errors import ColorzooError


class RunSchedule(LRScheduler):
    """Base class of schedules that depend on the progress of a run, with optional warmup.

    Examples:
        >>> class Root(RunSchedule):
        ...     def factor(self, step, total):
        ...         return (1 - step / total) ** 0.5
        ...
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> Root(optimizer, warmup_steps=10, total_steps=100).get_last_lr()
        [0.1]

    A subclass defines `factor` and may override `warmup_factor`.

    Args:
        optimizer: The optimizer; its learning rates are the maximum rates of the schedule.
        warmup_steps: Number of linear warmup steps.
        total_steps: Number of optimizer steps of the run; None uses the limit of the Trainer.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None) -> None:
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        super().__init__(optimizer)

    def warmup_factor(self, step: int) -> float:
        """Return the fraction of the maximum learning rate at a warmup step; linear by default."""
        return (step + 1) / self.warmup_steps

    def factor(self, step: int, total: int) -> float:
        """Return the fraction of the maximum learning rate after the warmup; 1 at step 0.

        Args:
            step: Number of steps since the end of the warmup.
            total: Total number of steps after the warmup.
        """
        raise NotImplementedError(f"{type(self).__name__} must define factor(step, total)")

    def get_lr(self) -> list[float | Tensor]:
        """Return the learning rate of each parameter group at the current step."""
        return [base * self.factor_at(self.last_epoch) for base in self.base_lrs]

    def state_dict(self) -> dict[str, object]:
        """Return the state without ``total_steps``, because a resumed run may be longer."""
        return {key: value for key, value in super().state_dict().items() if key != "total_steps"}

    def factor_at(self, step: int) -> float:
        """Return the fraction of the maximum learning rate at a step of the run."""
        if step < self.warmup_steps:
            return self.warmup_factor(step)
        if step == 0:
            return 1.0
        if self.total_steps is None:
            raise ColorzooError(
                f"total_steps of {type(self).__name__} must be set if the Trainer has neither max_steps nor "
                "max_epochs"
            )
        total = max(1, self.total_steps - self.warmup_steps)
        return self.factor(min(step - self.warmup_steps, total), total)


class Linear(RunSchedule):
    """Linear decay that reaches 0 after the last step.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Linear(optimizer, total_steps=4)
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(4)]
        [0.75, 0.5, 0.25, 0.0]
    """

    def factor(self, step: int, total: int) -> float:
        """Return 1 - step / total."""
        return 1 - step / total


class Cosine(RunSchedule):
    """Cosine decay that reaches 0 after the last step.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Cosine(optimizer, total_steps=4)
        >>> [(optimizer.step(), schedule.step(), round(schedule.get_last_lr()[0], 2))[2] for _ in range(4)]
        [0.85, 0.5, 0.15, 0.0]
    """

    def factor(self, step: int, total: int) -> float:
        """Return (1 + cos(pi step / total)) / 2."""
        return 0.5 * (1 + math.cos(math.pi * step / total))


class HoldThenLinear(RunSchedule):
    """Constant learning rate, then linear decay that reaches 0 one step after the last step.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = HoldThenLinear(optimizer, total_steps=6, hold=0.5)
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(6)]
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]

    This is the schedule of pix2pix, Cho et al. 2023 and Su et al. 2020. The authors update the learning rate
    once per epoch; this class updates it in each step.

    Args:
        optimizer: The optimizer; its learning rates are the maximum rates of the schedule.
        warmup_steps: Number of linear warmup steps.
        total_steps: Number of optimizer steps of the run; None uses the limit of the Trainer.
        hold: Fraction of the post-warmup steps with a constant learning rate; below 1.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None, hold: float = 0.5
    ) -> None:
        self.hold = hold
        super().__init__(optimizer, warmup_steps, total_steps)

    def factor(self, step: int, total: int) -> float:
        """Return 1 for the first fraction `hold` of the steps, then decay linearly."""
        constant = self.hold * total
        return 1 - max(0.0, step - constant) / (total - constant + 1)


class PiecewiseConstant(LRScheduler):
    """Constant learning rate between milestones, with one factor per milestone.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = PiecewiseConstant(optimizer, milestones=[2, 3], factors=[0.5, 0.25])
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(4)]
        [1.0, 0.5, 0.25, 0.25]

    Args:
        optimizer: The optimizer.
        milestones: Optimizer steps at which the learning rate changes, in ascending order.
        factors: Factor on the initial learning rate after each milestone. Unlike in PyTorch's `MultiStepLR`,
            the factors of successive milestones are not multiplied.
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], factors: Sequence[float]) -> None:
        if len(milestones) != len(factors) or list(milestones) != sorted(milestones):
            raise ColorzooError(
                "'milestones' must be in ascending order and as long as 'factors', got milestones "
                f"{list(milestones)} and factors {list(factors)}"
            )
        self.milestones, self.factors = list(milestones), list(factors)
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Return the learning rate of each parameter group at the current step."""
        passed = bisect_right(self.milestones, self.last_epoch)
        factor = self.factors[passed - 1] if passed else 1.0
        return [base * factor for base in self.base_lrs]
