"""Weight averaging with a constant decay or a decay warmup."""

from __future__ import annotations

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from colorzoo.options import check_arguments
from colorzoo.settings import Fraction


class WeightEMA(WeightAveraging):
    """Callback that computes an exponential moving average of weights.

    Integer and boolean buffers, such as indices and masks, are copied. Lightning's `EMAWeightAveraging`
    averages and truncates them.

    Examples:
        >>> from lightning import Trainer
        >>> trainer = Trainer(callbacks=WeightEMA(0.99), max_steps=1000)

    Args:
        decay: Decay of the average, in [0, 1].
        device: Device of the averaged weights; None selects the model's device.
        use_buffers: Whether to average buffers too.
    """

    def __init__(
        self, decay: Fraction = 0.999, device: torch.device | str | None = None, use_buffers: bool = True
    ) -> None:
        check_arguments(type(self), {"decay": decay})
        self.decay = decay
        super().__init__(device=device, use_buffers=use_buffers, avg_fn=self._average_or_copy)

    def average(self, averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        """Return the new average of a floating-point weight.

        Args:
            averaged: The previous average.
            current: The current weight.
            updates: Number of previous updates.
        """
        return self.decay * averaged + (1 - self.decay) * current

    def _average_or_copy(self, averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        return self.average(averaged, current, updates) if averaged.is_floating_point() else current


class GrowingWeightAveraging(WeightEMA):
    """Callback that computes an exponential moving average of weights, with a decay warmup.

    The decay of update n is ``min(decay, (1 + n) / (10 + n))``. With a constant decay near 1, as in
    `WeightEMA`, the average would consist mostly of initial weights for many steps.

    Examples:
        >>> from lightning import Trainer
        >>> trainer = Trainer(callbacks=GrowingWeightAveraging(0.999), max_steps=1000)

    Args:
        decay: Decay after the warmup, in [0, 1].
        device: Device of the averaged weights; None selects the model's device.
        use_buffers: Whether to average buffers too.
    """

    def average(self, averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        """Return the new average of a floating-point weight; see `WeightEMA.average`."""
        weight = (9 / (10 + torch.as_tensor(updates, device=averaged.device))).clamp(min=1 - self.decay)
        return averaged + weight * (current - averaged)
