"""Edit propagation of Levin et al. 2004 for a process that only colors: no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance, Points
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel
from colorzoo.zoo.levin2004.network import EditPropagation


class Answers(ColoringModel):
    """How edit propagation answers, whether it only colors or is measured too."""

    accepts = frozenset({"points"})
    network: EditPropagation

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch: exact at the points, gray without any."""
        points = guidance.points if guidance is not None else None
        return AbPrediction(ab=self.network(luma, points if points is not None else Points.none(luma)))


class Levin2004Inference(Answers, InferenceModel):
    """Edit propagation, as `Levin2004` answers.

    Args:
        variance_share: See `EditPropagation`.
    """

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__(EditPropagation(variance_share), variance_share=variance_share)
