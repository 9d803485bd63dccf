"""Evaluation task of coupled total variation (Pierre et al. 2015)."""

from __future__ import annotations

from colorzoo.settings import NonNegativeFloat, NonNegativeInt, Positive, PositiveInt
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.pierre2015.model import CoupledVariation


class Pierre2015(TrainingFreeModule):
    """Evaluation task of `CoupledVariation`, which needs no training.

    Args:
        step: Distance in pixels between the centers of reference patches.
        fidelity: Weight of the squared distance to the selected candidate (lambda).
        coupling: Weight of the luminance edges in the total variation (gamma).
        iterations: Number of iterations of the primal-dual algorithm.
    """

    def __init__(
        self,
        step: PositiveInt = 16,
        fidelity: Positive = 0.007,
        coupling: NonNegativeFloat = 25.0,
        iterations: NonNegativeInt = 250,
    ) -> None:
        super().__init__(CoupledVariation(step, fidelity, coupling, iterations))
