"""The learning rate of iColoriT (the authors' ``cosine_scheduler``)."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

from colorzoo.errors import ColorzooError
from colorzoo.training.schedules import Cosine


class CosineFromZero(Cosine):
    """Linear rise from 0 at the first step, then a fall along half a cosine to a final rate.

    The last step of the rise and the first of the fall both have the full rate.

    Args:
        optimizer: See `RunSchedule`.
        warmup_steps: See `RunSchedule`.
        total_steps: See `RunSchedule`.
        final: Final learning rate of every parameter group, which would be reached one step after the last.

    Raises:
        ColorzooError: The final rate exceeds a rate of the optimizer.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None, final: float = 1e-5
    ) -> None:
        for group in optimizer.param_groups:
            if final > (rate := float(group.get("initial_lr", group["lr"]))):
                raise ColorzooError(
                    f"final is a learning rate, not a share of one: {final:g} exceeds {rate:g}, the rate of "
                    f"the optimizer; set final to 1e-5, or another rate up to {rate:g}."
                )
        self.final = final
        super().__init__(optimizer, warmup_steps, total_steps)

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of each parameter group at the current step."""
        factor, least = self._factor(self.last_epoch), self.final
        if self.last_epoch < self.warmup_steps:
            return [base * factor for base in self.base_lrs]
        return [least + (base - least) * factor for base in self.base_lrs]

    def rise(self, step: int) -> float:
        """Return step / (warmup_steps - 1)."""
        return step / max(1, self.warmup_steps - 1)
