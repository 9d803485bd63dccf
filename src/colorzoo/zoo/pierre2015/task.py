"""Measurement of colorization by coupled total variation (Pierre et al., SIAM J. Imaging Sciences 2015)."""

from __future__ import annotations

from colorzoo.settings import Count, Natural, Positive, Weight
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.pierre2015.model import CoupledVariation


class Pierre2015(TrainingFreeModule):
    """Holds `CoupledVariation`, which needs no training.

    Args:
        step: Pixels between the patches of the reference.
        fidelity: Weight of the squared distance from the chosen candidate.
        coupling: Weight of the edges of the luminance in the total variation.
        iterations: Iterations of the primal-dual algorithm.
    """

    def __init__(
        self,
        step: Natural = 16,
        fidelity: Positive = 0.007,
        coupling: Weight = 25.0,
        iterations: Count = 250,
    ) -> None:
        super().__init__(CoupledVariation(step, fidelity, coupling, iterations))
