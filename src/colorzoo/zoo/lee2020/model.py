"""SCFT: Reference-Based Sketch Image Colorization (Lee et al., CVPR 2020).

Attention transfers reference features to matching sketch positions. https://arxiv.org/abs/2005.05207
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width
from colorzoo.zoo.lee2020.network import SCFTNetwork
from colorzoo.zoo.lee2020.published import NAMES


@dataclass(frozen=True)
class Architecture:
    """Settings of the generator and the discriminator.

    Attributes:
        width: Multiplier for the generator's channel counts; 1.0 matches the paper.
        discriminator_width: Multiplier for the discriminator's channel counts; 1.0 matches the paper.
    """

    width: Width = 1.0
    discriminator_width: Width = 1.0


class ReferencePainter(ColoringModel):
    """Colorization of sketches with the colors of a reference.

    Args:
        architecture: Settings of the generator and the discriminator.
    """

    accepts = frozenset({"exemplar"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    network: SCFTNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(SCFTNetwork(architecture.width))
        self.architecture = architecture
        # channels_last makes torch's batch statistics about 100 times less accurate
        self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches with an exemplar as the reference.

        Without an exemplar, the sketch serves as the reference.

        Args:
            lightness: Sketches ``(B, 1, H, W)`` in [0, 1].
            guidance: Guidance with the exemplar.

        Returns:
            RGB. In training mode, ``extras`` of the prediction contains the ``query`` and ``key`` vectors of
            the attention.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness.expand(-1, 3, -1, -1) if exemplar is None else exemplar.rgb
        generated = self.network(lightness, reference)
        attended = generated.attended
        extras = {"query": attended.query, "key": attended.key}
        return RgbPrediction(rgb=(generated.image + 1) / 2, extras=extras)
