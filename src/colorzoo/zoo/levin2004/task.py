"""Evaluation of Colorization using Optimization (Levin et al., SIGGRAPH 2004)."""

from __future__ import annotations

from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.levin2004.model import ColorizationByOptimization


class Levin2004(TrainingFreeModule):
    """Evaluation task of `ColorizationByOptimization`, which needs no training.

    Args:
        variance_share: Variance of the Gaussian neighbor weights; see `ColorizationByOptimization`.
    """

    validation_points = (0, 1, 10, 100)

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__(ColorizationByOptimization(variance_share))
