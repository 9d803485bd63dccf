"""Measurement of edit propagation (Levin, Lischinski and Weiss, SIGGRAPH 2004)."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.randomness import picture_generators
from colorzoo.simulation.points import uniform_points
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.levin2004.model import ColorizationByOptimization

VALIDATION_POINTS = (0, 1, 10, 100)


class Levin2004(TrainingFreeModule):
    """Holds `ColorizationByOptimization`, which needs no training.

    Args:
        variance_share: See `EditPropagation`.
    """

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__(ColorizationByOptimization(variance_share))

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Place the points of the test of Zhang et al. 2017, the same for a picture every time."""
        points = uniform_points(lab[:, 1:], int(setting), picture_generators(seeds, "points"))
        return Guidance(points=points)
