"""Learning rates over a whole run, counted in optimizer steps, beside the schedules of `torch.optim`.

A configuration may name any class of ``torch.optim.lr_scheduler``, or one of these, which span the run: the
trainer sets their length when training starts (`plan`).
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
    """Learning rate as a function of the progress of a run; subclasses define `share`, and may define `rise`.

    Examples:
        >>> class Root(RunSchedule):
        ...     def share(self, step, total):
        ...         return (1 - step / total) ** 0.5
        ...
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> Root(optimizer, warmup_steps=10, total_steps=100).get_last_lr()
        [0.1]

    Args:
        optimizer: The optimizer; its learning rates are the largest.
        warmup_steps: Steps of a linear rise at the start.
        total_steps: Length of the run in optimizer steps; None takes that of the trainer.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None) -> None:
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        super().__init__(optimizer)

    def plan(self, total_steps: int) -> None:
        """Set the number of steps that the optimizer will take."""
        self.total_steps = total_steps

    def rise(self, step: int) -> float:
        """Return the share of the largest rate at a step of the warm-up."""
        return (step + 1) / self.warmup_steps

    def share(self, step: int, total: int) -> float:
        """Return the share of the largest rate at a step after the warm-up; 1 at step 0."""
        raise NotImplementedError(f"{type(self).__name__} must define share(step, total)")

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of each parameter group at the current step."""
        return [base * self._factor(self.last_epoch) for base in self.base_lrs]

    def state_dict(self) -> dict[str, object]:
        """Return the state without the length: a resumed run may be longer."""
        return {key: value for key, value in super().state_dict().items() if key != "total_steps"}

    def _factor(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.rise(step)
        if step == 0:
            return 1.0
        if self.total_steps is None:
            raise ColorzooError(
                f"{type(self).__name__} needs the number of steps of the training: set its total_steps, or "
                "max_steps or max_epochs of the trainer."
            )
        total = max(1, self.total_steps - self.warmup_steps)
        return self.share(min(step - self.warmup_steps, total), total)


class Linear(RunSchedule):
    """Linear fall to 0 after the last step.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Linear(optimizer, total_steps=4)
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(4)]
        [0.75, 0.5, 0.25, 0.0]
    """

    def share(self, step: int, total: int) -> float:
        """Return 1 - step / total."""
        return 1 - step / total


class Cosine(RunSchedule):
    """Fall along half a cosine to 0 after the last step.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Cosine(optimizer, total_steps=4)
        >>> [(optimizer.step(), schedule.step(), round(schedule.get_last_lr()[0], 2))[2] for _ in range(4)]
        [0.85, 0.5, 0.15, 0.0]
    """

    def share(self, step: int, total: int) -> float:
        """Return (1 + cos(pi step / total)) / 2."""
        return 0.5 * (1 + math.cos(math.pi * step / total))


class HoldThenLinear(RunSchedule):
    """Constant rate, then a linear fall that would reach 0 one step after the last.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = HoldThenLinear(optimizer, total_steps=6, hold=0.5)
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(6)]
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]

    The rule of pix2pix, which Cho et al. 2023 and Su et al. 2020 use by epochs; counted in steps it differs
    from theirs by at most one epoch's fall.

    Args:
        optimizer: See `RunSchedule`.
        warmup_steps: See `RunSchedule`.
        total_steps: See `RunSchedule`.
        hold: Share of the run after the warm-up with the constant rate, below 1.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None, hold: float = 0.5
    ) -> None:
        self.hold = hold
        super().__init__(optimizer, warmup_steps, total_steps)

    def share(self, step: int, total: int) -> float:
        """Return 1 for the share `hold`, then a line to 0 one step after the last."""
        held = self.hold * total
        return 1 - max(0.0, step - held) / (total - held + 1)


class PiecewiseConstant(LRScheduler):
    """Learning rate with a factor of its own from each milestone on, unlike `MultiStepLR` of torch.

    Examples:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = PiecewiseConstant(optimizer, milestones=[2, 3], factors=[0.5, 0.25])
        >>> [(optimizer.step(), schedule.step(), schedule.get_last_lr()[0])[2] for _ in range(4)]
        [1.0, 0.5, 0.25, 0.25]

    Args:
        optimizer: The optimizer.
        milestones: Steps at which the rate changes, in ascending order.
        factors: Factor on the initial rate from each milestone on.
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], factors: Sequence[float]) -> None:
        if len(milestones) != len(factors) or list(milestones) != sorted(milestones):
            raise ColorzooError(
                f"PiecewiseConstant needs rising milestones and as many factors, got {list(milestones)} and "
                f"{list(factors)}."
            )
        self.milestones, self.factors = list(milestones), list(factors)
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of each parameter group at the current step."""
        passed = bisect_right(self.milestones, self.last_epoch)
        factor = self.factors[passed - 1] if passed else 1.0
        return [base * factor for base in self.base_lrs]
