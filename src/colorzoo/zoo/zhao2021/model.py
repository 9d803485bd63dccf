"""Color2Embed: exemplar-based image colorization with color embeddings (Zhao et al. 2021).

A color encoder maps a reference to one vector, which modulates the decoder of a U-Net. The U-Net predicts ab
from lightness. https://arxiv.org/abs/2106.08017
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import PositiveInt, Width
from colorzoo.zoo.zhao2021.network import Color2EmbedNetwork
from colorzoo.zoo.zhao2021.published import NAMES, UNUSED


@dataclass(frozen=True)
class Architecture:
    """Settings of the color encoder and the U-Net.

    Attributes:
        width: Multiplier for every channel count and the vector length; 1.0 matches the published network.
        reference_side: Side in pixels of the square to which references are resized in inference. Use
            training crops of this size, because padding affects the vector and training does not resize
            references.
    """

    width: Width = 1.0
    reference_side: PositiveInt = 256


class Color2Embed(ColoringModel):
    """Exemplar colorization with one color vector per reference.

    Args:
        architecture: Settings of the networks.
    """

    accepts = frozenset({"exemplar"})
    published_names, published_unused = NAMES, UNUSED
    feature_layers = (
        "network.unet.inc",
        "network.unet.down1",
        "network.unet.down2",
        "network.unet.down3",
        "network.unet.down4",
    )

    network: Color2EmbedNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(Color2EmbedNetwork(architecture.width, architecture.reference_side))
        self.architecture = architecture

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return color vectors ``(B, 1, V)`` of references ``(B, 3, H, W)`` in [0, 1]."""
        return self.network.vector(rgb).unsqueeze(1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; without an exemplar, the gray input image serves as the reference.

        An exemplar's ``alpha`` interpolates between the color vectors of the gray image (0) and the exemplar
        (1).
        """
        gray = Exemplar(lightness_to_rgb(lightness))
        exemplar = (guidance or Guidance()).exemplar or gray
        vector = exemplar.embed_by(self.encode_reference, lambda: gray.embed_by(self.encode_reference))
        return AbPrediction(ab=self.network(lightness, vector[:, 0]))
