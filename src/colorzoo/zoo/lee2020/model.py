"""SCFT: Reference-Based Sketch Image Colorization (Lee et al., CVPR 2020).

A sketch is painted in the colors of a reference: attention brings each place of the sketch the features of
the positions of the reference that fit. https://arxiv.org/abs/2005.05207
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width, settings_of
from colorzoo.zoo.lee2020.network import SCFTNetwork
from colorzoo.zoo.lee2020.published import convert_published


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks.

    Attributes:
        width: Multiplier of the generator's channel counts; 1.0 is the paper's.
        discriminator_width: The same for the discriminator.
    """

    width: Width = 1.0
    discriminator_width: Width = 1.0


class ReferencePainter(ColoringModel):
    """Paints a sketch in the colors of a reference.

    Args:
        architecture: The networks.
    """

    accepts = frozenset({"exemplar"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: SCFTNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        super().__init__(SCFTNetwork(architecture.width), architecture=architecture)
        # torch's batch statistics are a hundred times less exact otherwise
        self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Paint sketches ``(B, 1, H, W)`` in [0, 1]; without an exemplar each is its own reference."""
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness.expand(-1, 3, -1, -1) if exemplar is None else exemplar.rgb
        return RgbPrediction(rgb=(self.network(lightness, reference).picture + 1) / 2)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename a checkpoint of the re-implementation, its generator, its discriminator or both."""
        return convert_published(state_dict)
