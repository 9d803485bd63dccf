"""The gray baseline: ab is zero everywhere."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.guidance import Guidance
from colorzoo.tasks import AbPrediction, TrainingFreeModule


class Gray(TrainingFreeModule):
    """Answers gray, whatever it is given."""

    def configure_network(self) -> None:
        """There is none."""
        self.network = nn.Identity()

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Return zero ab for a batch ``(B, 1, H, W)``."""
        batch, _, height, width = luma.shape
        return AbPrediction(ab=luma.new_zeros(batch, 2, height, width))
