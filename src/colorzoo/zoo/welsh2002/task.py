"""Evaluation task of color transfer (Welsh, Ashikhmin and Mueller, SIGGRAPH 2002)."""

from __future__ import annotations

from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.welsh2002.model import ColorTransfer


class Welsh2002(TrainingFreeModule):
    """Evaluation task of `ColorTransfer`, which needs no training.

    Args:
        samples: Approximate number of sampled exemplar pixels.
        seed: Seed of the random sample positions.
    """

    def __init__(self, samples: int = 200, seed: int = 0) -> None:
        super().__init__(ColorTransfer(samples, seed))
