"""Let there be Color! (Iizuka, Simo-Serra and Ishikawa, SIGGRAPH 2016).

The network fuses local image features with a global vector of the scene, which a second branch computes from
the resized image. https://doi.org/10.1145/2897824.2925974
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from colorzoo.color import lightness_to_rgb
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Range, Width
from colorzoo.zoo.iizuka2016.network import JointPriorNetwork
from colorzoo.zoo.iizuka2016.published import convert_published


@dataclass(frozen=True)
class Architecture:
    """Settings of the network.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        scene_side: Height and width in pixels of the resized image from which the global scene vector is
            computed, a multiple of 32.
        normalization: Whether all layers except the last have batch normalization, as in training. The
            published weights require false, because their normalization is folded into the convolutions.
    """

    width: Width = 1.0
    scene_side: Annotated[int, Range(32, unit="pixels", step=32)] = 224
    normalization: bool = False


class LetThereBeColor(ColoringModel):
    """Colorization without guidance, or with the style of a reference.

    Args:
        architecture: Settings of the network.
    """

    accepts = frozenset({"exemplar"})
    reference_needs_color = False
    network: JointPriorNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        network = JointPriorNetwork(
            architecture.width, scene_side=architecture.scene_side, normalization=architecture.normalization
        )
        super().__init__(network)
        self.architecture = architecture
        if architecture.normalization:  # PyTorch computes less precise batch statistics in channels_last
            self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch, with the scene style of an exemplar if the guidance contains one.

        The exemplar's global vector replaces the image's global vector. The exemplar's ``alpha`` interpolates
        between the vectors of the image (0) and the exemplar (1). The exemplar's colors are not used.
        """
        exemplar = (guidance or Guidance()).exemplar
        gray = lightness_to_rgb(lightness)[:, :1]
        if exemplar is None:
            return AbPrediction(ab=self.network(gray))
        style = exemplar.embed_by(self.encode_reference, lambda: self.network.style_of(gray).unsqueeze(1))
        return AbPrediction(ab=self.network(gray, style[:, 0]))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode references ``(B, 3, H, W)`` in [0, 1] as global vectors ``(B, 1, 256 * width)``."""
        return self.network.style_of(rgb_to_gray(rgb)).unsqueeze(1)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of an authors' Torch7 file to the names in this model."""
        return convert_published(state_dict, self.state_dict())
