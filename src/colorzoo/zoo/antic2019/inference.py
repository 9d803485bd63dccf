"""DeOldify for a process that only colors: no Lightning."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.networks.padding import pad_to_multiple
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.antic2019.network import STRIDE, DeOldifyNetwork
from colorzoo.zoo.antic2019.pictures import ab_of, gray_of_luma, normalize
from colorzoo.zoo.antic2019.published import convert_published
from colorzoo.zoo.antic2019.settings import Architecture, Rendering


class Answers(ColoringModel):
    """How the generator answers, whether it only colors or is trained too."""

    architecture: Architecture
    network: DeOldifyNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch: the chroma of what the network paints on the gray picture of the same lightness."""
        del guidance
        height, width = luma.shape[-2:]
        gray = gray_of_luma(luma)
        painted = self.answer(pad_to_multiple(gray, STRIDE))[:, :, :height, :width]
        return AbPrediction(ab=ab_of(painted, gray))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the author's generator (378 or 754 keys); the critic, where there is one, stays."""
        ours = convert_published(state_dict, self.architecture.decoder)
        apply_weights(self, ours, name="the published file", published=False)

    def answer(self, gray: Tensor) -> Tensor:
        """Return what the network answers to gray pictures ``(B, 1, H, W)`` in [0, 1], normalized RGB."""
        seen = normalize(gray).contiguous(memory_format=torch.channels_last)
        painted: Tensor = self.network(seen)
        return painted


class Antic2019Inference(Answers, InferenceModel):
    """The artistic or the stable generator, as `Antic2019` answers.

    Args:
        architecture: The generator; its critic is not built.
        rendering: How pictures are shown to it.
    """

    def __init__(
        self, architecture: Architecture = Architecture(), rendering: Rendering = Rendering()
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        rendering = settings_of(Rendering, rendering)
        super().__init__(build_network(architecture), architecture=architecture, rendering=rendering)
        self.architecture = architecture
        self.working_size = rendering.side()


def build_network(architecture: Architecture) -> DeOldifyNetwork:
    """Build the generator and draw its weights."""
    how = architecture
    return DeOldifyNetwork(how.encoder, how.decoder, how.nf_factor, how.width)
