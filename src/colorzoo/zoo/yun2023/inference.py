"""iColoriT for a process that only colors: no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance, Points
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.yun2023.network import IColoriTNetwork, initialize
from colorzoo.zoo.yun2023.published import convert_published
from colorzoo.zoo.yun2023.settings import Architecture


class Answers(ColoringModel):
    """How the transformer answers, whether it only colors or is trained too."""

    accepts = frozenset({"points"})
    network: IColoriTNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch of any height and width; see `IColoriTNetwork.forward`."""
        points = guidance.points if guidance is not None else None
        return AbPrediction(ab=self.network(luma, points if points is not None else Points.none(luma)))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load what the authors' files hold under ``model``."""
        ours = convert_published(state_dict, self.network)
        apply_weights(self, ours, name="the published checkpoint", published=False)


class Yun2023Inference(Answers, InferenceModel):
    """The transformer, as `Yun2023` answers.

    Args:
        architecture: The network.
    """

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        super().__init__(build_network(architecture), architecture=architecture)
        self.working_size = architecture.side


def build_network(architecture: Architecture) -> IColoriTNetwork:
    """Build the transformer and draw its weights."""
    network = IColoriTNetwork(architecture)
    initialize(network)
    return network
