"""AlacGAN's stroke model for a process that only colors: no Lightning."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.hint_input import point_colors
from colorzoo.networks.hint_unet import initialize
from colorzoo.tasks import ColoringModel, InferenceModel, RgbPrediction, settings_of
from colorzoo.zoo.ci2018.network import StrokeNetwork


@dataclass(frozen=True)
class Architecture:
    """The generator.

    Attributes:
        width: Multiplier of every channel count.
        blocks: ResNeXt blocks of the four stages; 20, 8, 8, 5 in the paper.
    """

    width: float = 1.0
    blocks: tuple[int, ...] = (20, 8, 8, 5)


class Answers(ColoringModel):
    """How the generator answers, whether it only colors or is trained too."""

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: StrokeNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Paint sketches ``(B, 1, H, W)`` in [0, 1]."""
        points = guidance.points if guidance is not None else None
        points = Points.none(luma) if points is None else points
        color = point_colors(points)
        return RgbPrediction(rgb=(self.network(luma, color, points.mask) + 1) / 2)


class Ci2018Inference(Answers, InferenceModel):
    """The generator, as `Ci2018` answers.

    Args:
        architecture: The generator.
    """

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        super().__init__(build_network(architecture), architecture=architecture)


def build_network(architecture: Architecture, local_features: nn.Module | None = None) -> StrokeNetwork:
    """Build the generator and draw its weights.

    Args:
        architecture: The generator.
        local_features: See `StrokeNetwork`.
    """
    network = StrokeNetwork(architecture.width, architecture.blocks, local_features)
    initialize(network, None)
    return network
