"""The gray baseline: ab is zero everywhere."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction


class GrayModel(ColoringModel):
    """Baseline that predicts gray for every pixel."""

    def __init__(self) -> None:
        super().__init__(nn.Identity())

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Return zero ab for lightness ``(B, 1, H, W)``."""
        return AbPrediction.gray(lightness)
