"""Color2Embed for a process that only colors: no Lightning."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.fingerprint import fingerprint
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.zhao2021.encoder import ColorEncoder, VGGFeatures
from colorzoo.zoo.zhao2021.extensions import BorrowedFeatures, Extensions, start_large
from colorzoo.zoo.zhao2021.network import Color2Embed
from colorzoo.zoo.zhao2021.published import convert_published
from colorzoo.zoo.zhao2021.references import gray_picture
from colorzoo.zoo.zhao2021.settings import Architecture


class Answers(ColoringModel):
    """How the networks answer, whether they only color or are trained too."""

    accepts = frozenset({"exemplar"})
    architecture: Architecture
    extensions: Extensions
    network: Color2Embed

    def look(self, rgb: Tensor) -> Tensor:
        """Return all that references ``(B, 3, H, W)`` in [0, 1] give: one vector each, ``(B, 1, 512w)``."""
        return self.network.vector(rgb).unsqueeze(1)

    def look_key(self) -> str:
        """Return a hash of the weights that looks depend on, with what they mean besides."""
        parts = fingerprint(self.network.encoder), self.architecture.reference_side, self.extensions.features
        return "-".join(map(str, parts))

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without an exemplar by the vector of the pictures themselves, which are gray.

        ``alpha`` of an exemplar goes from that vector (0) to its own (1).
        """
        exemplar = (guidance or Guidance()).exemplar
        return AbPrediction(ab=self.network(luma, self._vector(luma, exemplar)))

    def _vector(self, luma: Tensor, exemplar: Exemplar | None) -> Tensor:
        if exemplar is None:
            return self.network.vector(gray_picture(luma))
        vector = exemplar.look_by(self.look)[:, 0]
        if exemplar.alpha == 1:
            return vector
        return torch.lerp(self.network.vector(gray_picture(luma)), vector, exemplar.alpha)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit, or it is another file.
        """
        ours = convert_published(state_dict)
        if self.extensions.features is not None:
            raise WeightsError(
                "this is the authors' full network, which zhao2021 loads; a model over the features of "
                f"{self.extensions.features} has another encoder."
            )
        apply_weights(self, ours, name="the published checkpoint", published=False)


class Zhao2021Inference(Answers, InferenceModel):
    """The networks, as `Zhao2021` answers.

    Args:
        architecture: The networks.
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


def build_network(architecture: Architecture, extensions: Extensions) -> Color2Embed:
    """Build the encoder, over VGG-19 or borrowed features, and the U-Net."""
    borrowed = extensions.features
    features = VGGFeatures(architecture.width) if borrowed is None else BorrowedFeatures(borrowed)
    encoder = ColorEncoder(features, architecture.width)
    if borrowed is not None:
        start_large(encoder.to_vector)
    return Color2Embed(encoder, architecture.width, architecture.reference_side)
