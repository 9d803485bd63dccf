"""Color transfer of Welsh et al. 2002 for a process that only colors: no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel
from colorzoo.zoo.welsh2002.network import SampleMatching


class Answers(ColoringModel):
    """How color transfer by samples answers, whether it only colors or is measured too."""

    accepts = frozenset({"exemplar"})
    network: SampleMatching

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; gray without an exemplar."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(luma)
        return AbPrediction(ab=self.network(luma, guidance.exemplar.rgb))


class Welsh2002Inference(Answers, InferenceModel):
    """Color transfer from an exemplar by samples, as `Welsh2002` answers.

    Args:
        samples: About how many places of the exemplar are compared.
        seed: Seed of the places.
    """

    def __init__(self, samples: int = 200, seed: int = 0) -> None:
        super().__init__(SampleMatching(samples, seed), samples=samples, seed=seed)
