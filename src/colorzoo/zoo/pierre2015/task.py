"""Lightning module of coupled total variation (Pierre et al. 2015), for evaluation."""

from __future__ import annotations

from colorzoo.settings import Count, Natural, Positive, Weight
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.pierre2015.model import CoupledVariation


class Pierre2015(TrainingFreeModule):
    """Lightning module of `CoupledVariation`, which needs no training.

    Args:
        step: Distance in pixels between reference patches.
        fidelity: Weight of the squared distance to the selected candidate (lambda).
        coupling: Weight of the luminance edges in the total variation (gamma).
        iterations: Number of iterations of the primal-dual algorithm.
    """

    def __init__(
        self,
        step: Natural = 16,
        fidelity: Positive = 0.007,
        coupling: Weight = 25.0,
        iterations: Count = 250,
    ) -> None:
        super().__init__(CoupledVariation(step, fidelity, coupling, iterations))
