"""Colorization using Optimization (Levin, Lischinski and Weiss, SIGGRAPH 2004).

Neighbors of like lightness get like colors: a sparse linear system spreads the points of a user.
https://doi.org/10.1145/1015706.1015780
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from colorzoo.guidance import Guidance, uniform_points
from colorzoo.randomness import picture_generators
from colorzoo.tasks import TrainingFreeModule
from colorzoo.zoo.levin2004.inference import Answers
from colorzoo.zoo.levin2004.network import EditPropagation

VALIDATION_POINTS = (0, 1, 10, 100)


class Levin2004(Answers, TrainingFreeModule):
    """Edit propagation.

    Args:
        variance_share: See `EditPropagation`.
    """

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Set up the solver."""
        hp: Any = self.hparams
        self.network = EditPropagation(hp.variance_share)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Place the points of the test of Zhang et al. 2017, the same for a picture every time."""
        points = uniform_points(lab[:, 1:], int(setting), picture_generators(seeds, "points"))
        return Guidance(points=points)
