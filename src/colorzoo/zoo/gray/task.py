"""Evaluation task of the gray baseline."""

from __future__ import annotations

from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.gray.model import GrayModel


class Gray(TrainingFreeModule):
    """Evaluation task of `GrayModel`, which needs no training."""

    def __init__(self) -> None:
        super().__init__(GrayModel())
