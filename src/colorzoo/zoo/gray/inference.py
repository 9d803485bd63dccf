"""The gray baseline for a process that only colors: no Lightning."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.guidance import Guidance
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel


class Answers(ColoringModel):
    """Answers gray, whatever it is given."""

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Return zero ab for a batch ``(B, 1, H, W)``."""
        return AbPrediction.gray(luma)


class GrayInference(Answers, InferenceModel):
    """The gray baseline, as `Gray` answers."""

    def __init__(self) -> None:
        super().__init__(nn.Identity())
