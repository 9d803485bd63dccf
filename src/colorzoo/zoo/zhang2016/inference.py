"""The network of Zhang et al. 2016 for a process that only colors: built, loaded and asked, no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.zhang2016.network import DistributionNetwork
from colorzoo.zoo.zhang2016.published import convert_published
from colorzoo.zoo.zhang2016.settings import Architecture


class Answers(ColoringModel):
    """How the classifier of colors answers, whether it only colors or is trained too."""

    network: DistributionNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; ``extras["logits"]`` is the distribution over the 313 bins at a quarter size."""
        del guidance
        out = self.network(luma)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that an add-on may refine."""
        return self.network.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        del guidance
        return self.network.before_taps(luma)

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.after_taps(state, visit)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load ``colorization_release_v2-9b330a0b.pth`` or a checkpoint with the same 82 keys."""
        ours = convert_published(state_dict, self.network.temperature)
        apply_weights(self, ours, name="the published checkpoint", published=False)


class Zhang2016Inference(Answers, InferenceModel):
    """The classifier of colors, as `Zhang2016` answers.

    Args:
        architecture: The network.
    """

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        super().__init__(build_network(architecture), architecture=architecture)


def build_network(architecture: Architecture) -> DistributionNetwork:
    """Build the network and draw its weights.

    Raises:
        ColorzooError: The temperature is not above 0.
    """
    temperature = architecture.temperature
    if not temperature > 0:
        raise ColorzooError(f"temperature must be above 0 (0.38 in the paper), got {temperature}.")
    network = DistributionNetwork(architecture.width, temperature=temperature)
    initialize(network, architecture.init_std)
    return network
