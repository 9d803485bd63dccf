"""DDColor for a process that only colors: built, loaded and asked, no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.networks.hint_unet import scaled_width
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, Start, settings_of
from colorzoo.tasks.stages import trained_lender
from colorzoo.weights import apply_weights
from colorzoo.zoo.kang2023.encoder import Encoder
from colorzoo.zoo.kang2023.extensions import Extensions, TrunkEncoder
from colorzoo.zoo.kang2023.network import DDColorNetwork
from colorzoo.zoo.kang2023.published import convert_published, require_variant
from colorzoo.zoo.kang2023.settings import FEED_CHANNELS, PIXEL_CHANNELS, Architecture

_TRUNK_SIZE = 256  # pixels of the shorter side at which Local Hints networks see pictures


class Answers(ColoringModel):
    """How the generator answers, whether it only colors or is trained too."""

    accepts = frozenset()
    working_size = 512
    network: DDColorNetwork
    architecture: Architecture
    extensions: Extensions

    def take_size(self) -> None:
        """Declare the size that a borrowed trunk wants, where there is one."""
        if self.extensions.trunk is not None:
            self.working_size = _TRUNK_SIZE

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch."""
        del guidance
        return AbPrediction(ab=self.network(luma))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load one of the authors' generators.

        Raises:
            WeightsError: It is the generator of the other size, or keys or shapes do not fit.
        """
        if self.extensions.trunk is None:
            require_variant(state_dict, self.architecture.size)
        apply_weights(self, convert_published(state_dict), name="the published checkpoint", published=False)


class Kang2023Inference(Answers, InferenceModel):
    """The generator, as `Kang2023` answers.

    Args:
        architecture: The generator.
        extensions: What is not in the paper.
    """

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        extensions = settings_of(Extensions, extensions)
        network = build_network(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions)
        self.architecture, self.extensions = architecture, extensions
        self.take_size()


def build_network(architecture: Architecture, extensions: Extensions) -> DDColorNetwork:
    """Build the encoder and both decoders."""
    how = architecture
    widths = [scaled_width(base, how.width) for base in PIXEL_CHANNELS]
    feed = scaled_width(FEED_CHANNELS, how.width)
    encoder = _encoder(architecture, extensions)
    return DDColorNetwork(encoder, widths, queries=how.queries, layers=how.layers, feed=feed)


def _encoder(architecture: Architecture, extensions: Extensions) -> Encoder:
    if extensions.trunk is not None:
        return TrunkEncoder(trained_lender(Start(extensions.trunk), "trunk"))
    from colorzoo.zoo.kang2023.convnext import ConvNextEncoder

    return ConvNextEncoder(architecture.size, architecture.width, architecture.depth)
